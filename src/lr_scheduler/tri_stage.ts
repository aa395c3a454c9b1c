import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { lrScheduler, onlyRate } from "./schedule.ts";

const share = z.number().min(0).max(1);

const config = z.strictObject({
  warmup_steps: z.int().min(0).default(0).describe("updates over which the rate rises to --lr"),
  hold_steps: z.int().min(0).default(0).describe("updates at --lr"),
  decay_steps: z.int().min(0).default(0).describe("updates over which the rate falls"),
  phase_ratio: z
    .tuple([share, share, share])
    .optional()
    .describe("the three as shares of --max-update instead, such as 0.1,0.4,0.5"),
  init_lr_scale: z.number().positive().default(0.01).describe("share of --lr at the beginning"),
  final_lr_scale: z.number().positive().default(0.01).describe("share of --lr at the end"),
  max_update: z.int().min(0).default(0).describe("stop after this many updates (0: no limit)"),
});

/** Rises in a line, holds, falls exponentially, stays (Park et al. 2019). */
export const triStage = lrScheduler("tri_stage", config, (c, lr) => {
  const peak = onlyRate("tri_stage", lr);
  const [warmup, hold, decay] = stages(c);
  const start = c.init_lr_scale * peak;
  const rise = (peak - start) / Math.max(warmup, 1);
  const fall = -Math.log(c.final_lr_scale) / Math.max(decay, 1);
  return (updates) => {
    if (updates < warmup) return start + rise * updates;
    const held = updates - warmup;
    if (held < hold) return peak;
    const decayed = held - hold;
    // fairseq divides by zero when nothing decays; here the rate then goes to its end at once.
    if (decay > 0 && decayed <= decay) return peak * Math.exp(-fall * decayed);
    return c.final_lr_scale * peak;
  };
});

function stages(c: z.output<typeof config>): [number, number, number] {
  const { phase_ratio: ratio, max_update: all } = c;
  if (ratio === undefined) {
    if (c.warmup_steps + c.hold_steps + c.decay_steps > 0) {
      return [c.warmup_steps, c.hold_steps, c.decay_steps];
    }
    throw refusal(
      "has no stages",
      "give --warmup-steps, --hold-steps and --decay-steps, or --phase-ratio",
    );
  }
  if (all <= 0) throw refusal("--phase-ratio needs the whole to divide", "give --max-update");
  const [warmup, hold, decay] = ratio;
  if (Math.abs(warmup + hold + decay - 1) > 1e-9) {
    throw refusal(
      `--phase-ratio ${ratio.join(",")} does not add up to 1`,
      "change one of the shares",
    );
  }
  return [Math.trunc(all * warmup), Math.trunc(all * hold), Math.trunc(all * decay)];
}

function refusal(problem: string, remedy: string): UserError {
  return new UserError({ place: "--lr-scheduler tri_stage", problem, remedy });
}
