import { z } from "zod";
import { warmupStart } from "./linear_warmup.ts";
import type { EpochEnd } from "./schedule.ts";
import { lrScheduler, onlyRate } from "./schedule.ts";

const config = z.strictObject({
  warmup_updates: z.int().min(0).default(0).describe("updates over which the rate rises linearly"),
  warmup_init_lr: z.number().default(-1).describe("rate at update 0 (below 0: 0)"),
  lr_shrink: z.number().positive().lt(1).default(0.1).describe("factor of the rate on a plateau"),
  lr_threshold: z
    .number()
    .min(0)
    .default(1e-4)
    .describe("share of the best value by which a new one must be better"),
  lr_patience: z.int().min(0).default(0).describe("epochs without improvement that are forgiven"),
  maximize_best_checkpoint_metric: z
    .boolean()
    .default(false)
    .describe("the largest value is best, not the smallest"),
});

/** A smaller change of the rate is not made, as in PyTorch's ReduceLROnPlateau. */
const smallestChange = 1e-8;

/**
 * Falls by a factor when the validation no longer improves. What PyTorch keeps as state (the best
 * value, the bad epochs in a row, the rate) is computed anew from the history of epochs: fairseq
 * forgets half of it in a checkpoint, here a resumed run goes on exactly.
 */
export const reduceLrOnPlateau = lrScheduler("reduce_lr_on_plateau", config, (c, lr) => {
  const rate = onlyRate("reduce_lr_on_plateau", lr);
  const start = c.warmup_updates > 0 ? warmupStart(c.warmup_init_lr, 0) : rate;
  const rise = (rate - start) / Math.max(c.warmup_updates, 1);
  const isWarm = (updates: number): boolean => c.warmup_updates === 0 || updates > c.warmup_updates;
  return (updates, _epoch, history) =>
    isWarm(updates)
      ? reduced(
          c,
          start + c.warmup_updates * rise,
          history.filter((end) => isWarm(end.updates)),
        )
      : start + updates * rise;
});

function reduced(c: z.output<typeof config>, rate: number, history: readonly EpochEnd[]): number {
  const isBetter = (value: number, best: number): boolean =>
    c.maximize_best_checkpoint_metric
      ? value > best * (c.lr_threshold + 1)
      : value < best * (1 - c.lr_threshold);
  let current = rate;
  let best: number | undefined;
  let bad = 0;
  for (const { validation } of history) {
    if (validation === null) continue;
    if (best === undefined ? !Number.isNaN(validation) : isBetter(validation, best)) {
      best = validation;
      bad = 0;
    } else {
      bad += 1;
    }
    if (bad <= c.lr_patience) continue;
    const next = current * c.lr_shrink;
    if (current - next > smallestChange) current = next;
    bad = 0;
  }
  return current;
}
