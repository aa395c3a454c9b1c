// The loss scale of a run under --fp16 (reference 2.8). It lives on the device, where each update decides
// about the next; the host hears of it with the losses.
import { z } from "zod";
import type { LossScaleAttributes } from "../../kernels/optimizer/index.ts";
import { lossScale, SCALER, SCALER_STATUS } from "../../kernels/optimizer/index.ts";
import type { OptimizationConfig } from "../config/schemas/optimization.ts";
import type { PrecisionConfig } from "../config/schemas/precision.ts";
import { UserError } from "../config/user_error.ts";
import type { Device, Pending } from "../device/device.ts";
import type { Precision } from "../engine/flat_parameters.ts";
import { assign, readVariable } from "../engine/trace.ts";
import { f32, i32 } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";

/** fairseq's factor; it has no flag. */
const FACTOR = 2;

export interface LossScaling extends Omit<LossScaleAttributes, "maxNorm"> {
  readonly initial: number;
}

/** What the flags ask parameters to be stored as. */
export const precisionOf = ({ fp16, memory_efficient_fp16 }: PrecisionConfig): Precision =>
  memory_efficient_fp16 ? "f16" : fp16 ? "mixed" : "f32";

/**
 * Says what f16 means here.
 *
 * @throws UserError where --fp16 cannot be had.
 */
export function checkPrecision(
  config: PrecisionConfig,
  { half }: Pick<Device, "half">,
  hasPeers: boolean,
  say: (line: string) => void,
): void {
  if (precisionOf(config) === "f32") return;
  const place = config.memory_efficient_fp16 ? "--memory-efficient-fp16" : "--fp16";
  if (half === undefined) {
    throw new UserError({
      place,
      problem: "the cpu device computes in f32 only",
      remedy: "use --device webgpu, or leave the flag out",
    });
  }
  if (hasPeers) {
    throw new UserError({
      place,
      problem: "peers exchange f32 gradients, and agree on no loss scale",
      remedy: "train with one process, or leave the flag out",
    });
  }
  const copies =
    precisionOf(config) === "f16" ? "f16 weights alone" : "f16 weights beside f32 ones";
  const storage =
    half === "native" ? "f16" : "f16 packed in pairs, as the adapter has no shader-f16";
  say(`${place}: ${copies}; activations and gradients in ${storage}; arithmetic and sums in f32`);
}

/**
 * The settings of the scale, by fairseq's rules.
 *
 * @param shards batches that --update-freq multiplies: fairseq's world size.
 * @throws UserError if the window depends on an --update-freq that changes.
 */
export function lossScaling(
  config: PrecisionConfig,
  { update_freq }: Pick<OptimizationConfig, "update_freq">,
  shards: number,
): LossScaling {
  if (config.fp16_scale_window === undefined && update_freq.length > 1) {
    throw new UserError({
      place: "--fp16-scale-window",
      problem: "is missing, and --update-freq changes from epoch to epoch",
      remedy: "say after how many updates without overflow the loss scale grows",
    });
  }
  const window = Math.floor(2 ** 14 / shards / update_freq[0]);
  return {
    initial: config.fp16_init_scale,
    factor: FACTOR,
    window: config.fp16_scale_window ?? Math.max(1, window),
    tolerance: config.fp16_scale_tolerance,
    threshold: config.threshold_loss_scale ?? 0,
    minimum: config.min_loss_scale,
  };
}

/** What a checkpoint keeps. fairseq keeps loss_scale alone and counts anew. */
const lossScaleState = z.strictObject({
  loss_scale: z.number().positive(),
  iter: z.int(),
  last_overflow_iter: z.int(),
  last_rescale_iter: z.int(),
  overflows_since_rescale: z.int(),
});

export type LossScaleState = z.infer<typeof lossScaleState>;

export class LossScaler {
  /** What losses are multiplied by. */
  readonly scale = new Variable("loss scale", f32());
  private readonly counters = new Variable("counters of the loss scale", i32(SCALER.words));
  private known: LossScaleState;

  constructor(
    private readonly device: Device,
    private readonly settings: LossScaling,
  ) {
    this.known = this.restart({
      loss_scale: settings.initial,
      iter: 0,
      last_overflow_iter: -1,
      last_rescale_iter: -1,
      overflows_since_rescale: 0,
    });
  }

  /** The scale after the last update that was heard of, and what decides about the next. */
  get state(): LossScaleState {
    return this.known;
  }

  /** @throws ZodError if it is no state of a loss scale. */
  restore(state: unknown): void {
    this.known = this.restart(lossScaleState.parse(state));
  }

  /**
   * Traces the decision of one update: it assigns the scale and its counters.
   * @param known i32 (): the last overflow that the update was prepared in the knowledge of.
   */
  step(
    squareSum: Tensor,
    multiplier: Tensor,
    known: Tensor,
    maxNorm: number,
  ): Record<"coefficient" | "norm" | "scale" | "counters", Tensor> {
    const { initial: _, ...settings } = this.settings;
    const scaled = lossScale(
      readVariable(this.scale),
      readVariable(this.counters),
      squareSum,
      multiplier,
      known,
      { ...settings, maxNorm },
    );
    assign(this.scale, scaled.scale);
    assign(this.counters, scaled.counters);
    return { ...scaled };
  }

  /**
   * Reads what an update decided.
   *
   * @returns whether its gradients overflowed: then nothing was changed but the scale.
   * @throws UserError if the scale came to its minimum.
   */
  async hear(scale: Pending, counters: Pending): Promise<boolean> {
    const [loss_scale] = await scale.read();
    const words = await counters.read();
    if (words[SCALER.status] === SCALER_STATUS.void) {
      throw new Error("LossScaler: an update that was void is heard of");
    }
    this.known = {
      loss_scale,
      iter: words[SCALER.iter],
      last_overflow_iter: words[SCALER.lastOverflow],
      last_rescale_iter: words[SCALER.lastRescale],
      overflows_since_rescale: words[SCALER.overflowsSinceRescale],
    };
    if (words[SCALER.status] === SCALER_STATUS.minimumReached) {
      throw new UserError({
        place: `--min-loss-scale ${this.settings.minimum}`,
        problem: "minimum loss scale reached: the loss is probably exploding",
        remedy:
          "try lowering the learning rate, using gradient clipping (--clip-norm) or increasing the batch size",
      });
    }
    return words[SCALER.status] === SCALER_STATUS.overflow;
  }

  private restart(state: LossScaleState): LossScaleState {
    this.device.write(this.scale, Float32Array.of(state.loss_scale));
    const { iter, last_overflow_iter, last_rescale_iter, overflows_since_rescale } = state;
    const counted = [iter, last_overflow_iter, last_rescale_iter, overflows_since_rescale];
    this.device.write(this.counters, Int32Array.of(...counted, SCALER_STATUS.good));
    return state;
  }
}
