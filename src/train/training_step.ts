// The compiled parts of training: gradients of a micro-batch, the update, and validation.
import { add, cast, mul, sqrt } from "../../kernels/elementwise/index.ts";
import { reshape, slice } from "../../kernels/movement/index.ts";
import { clipCoefficient, ema } from "../../kernels/optimizer/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import type { Criterion, Sample } from "../criterions/criterion.ts";
import type { Device, Pending, Watch } from "../device/device.ts";
import type { Span } from "../device/spans.ts";
import { type CompiledFunction, compile, type HostTensor } from "../engine/compile.ts";
import type { FlatParameters, ParameterState } from "../engine/flat_parameters.ts";
import { gradient, topologicalOrder } from "../engine/gradient.ts";
import { withFloat } from "../engine/precision.ts";
import { Randomness, withRandomness } from "../engine/randomness.ts";
import { assign, readVariable, withTrace } from "../engine/trace.ts";
import type { EncoderDecoderModel } from "../models/model.ts";
import type { Optimizer } from "../optim/optimizer.ts";
import { f32, i32, type Shape, type TensorSpec } from "../tensor/shape.ts";
import { input, type Tensor } from "../tensor/tensor.ts";
import { cutBatch, pieceCount, pieceKey, piecesOfShape, sumOfPieces } from "./batch_pieces.ts";
import {
  type HostSample,
  type PackingInputs,
  packedInputs,
  type SampleInputs,
  wholeInputs,
} from "./host_sample.ts";
import type { LossScaler } from "./loss_scaler.ts";
import { mostPackedRows } from "./packed_target.ts";

/** lastOverflow is read only where losses are scaled. */
type UpdateInputs = "scalars" | "normalization" | "lastOverflow";

/** What an update tells the host; the scale and its counters where losses are scaled. */
interface Decided<Value> {
  readonly norm: Value;
  readonly scale?: Value;
  readonly counters?: Value;
}

/** What randomness is keyed by, besides the op. Never a rank: any number of peers draws the same. */
export interface RandomKey {
  readonly seed: number;
  readonly update: number;
  /** Number of the micro-batch within the update's global batch. */
  readonly microBatch: number;
}

export interface TrainingStepOptions {
  readonly device: Device;
  readonly model: EncoderDecoderModel;
  readonly parameters: FlatParameters;
  readonly criterion: Criterion;
  readonly optimizer: Optimizer;
  /** Largest norm of the gradient; 0 for no limit. */
  readonly clipNorm: number;
  /** Under --fp16: then the model computes in f16. */
  readonly scaler?: LossScaler;
  readonly average: ParameterState | undefined;
  readonly spans: Span[] | undefined;
}

/** Of so many sentences, all of these widths. */
function sampleSpecs(
  sentences: number,
  sourceWidth: number,
  targetWidth: number,
): Record<SampleInputs, TensorSpec> {
  const target = i32(sentences, targetWidth);
  return { srcTokens: i32(sentences, sourceWidth), prevOutputTokens: target, target };
}

/** Of as much of such a target as is ever packed. */
function packedSpecs([sentences, width]: Shape): Record<PackingInputs, TensorSpec> {
  const rows = mostPackedRows(sentences, width);
  return {
    targetRows: i32(rows),
    targetPlaces: i32(sentences, width),
    targetStarts: i32(sentences + 1),
  };
}

export class TrainingStep {
  private readonly accumulate: CompiledFunction<SampleInputs | "key", string, PackingInputs>;
  private readonly update: CompiledFunction<UpdateInputs, "norm">;
  private readonly validation: CompiledFunction<SampleInputs, string, PackingInputs>;
  private readonly averaging: CompiledFunction<"decay", never>;
  private readonly halving: CompiledFunction<never, never>;
  private readonly reported: string[];
  /** Whether criterion and model make use of packed positions. */
  private readonly packs: boolean;
  private bytesPerPosition: number | undefined;

  constructor(private readonly options: TrainingStepOptions) {
    const { device, criterion, model, spans } = options;
    this.accumulate = compile(device, "gradients", (inputs, variant) =>
      this.traceGradients(inputs, variant),
    );
    this.update = compile(
      device,
      "update",
      (inputs, trained): Record<"norm", Tensor> => this.traceUpdate(inputs, trained),
    );
    this.validation = compile(device, "validation", (sample) =>
      withFloat(this.float, () => criterion.forward(model, sample)),
    );
    this.halving = compile(device, "halves", () => this.traceHalves());
    this.averaging = compile(device, "average", ({ decay }) => this.traceAverage(decay));
    for (const compiled of [this.accumulate, this.update, this.validation]) compiled.spans = spans;
    ({ reported: this.reported, packs: this.packs } = this.trace());
  }

  /**
   * Adds the gradients of one micro-batch to those of the ones before it.
   *
   * @param order whether it is the first one here: it replaces what was there.
   * @param kept one letter per droppable layer, "0" where it is left out.
   * @param watch hears which gradients are final.
   * @returns the criterion's sums.
   */
  gradients(
    sample: HostSample,
    key: RandomKey,
    order: "first" | "more",
    kept: string,
    watch?: Watch,
  ): Record<string, Pending> {
    const pieces = this.cut(sample);
    const sums = pieces.map((piece, number) => {
      const { seed, update, microBatch } = pieceKey(key, number);
      const words = { data: Int32Array.of(seed, update, microBatch, 0), shape: [4] };
      const heard = number === pieces.length - 1 ? watch : undefined;
      const variant = `${number === 0 ? order : "piece"} ${kept}`;
      return this.accumulate({ ...this.inputsOf(piece), key: words }, variant, heard);
    });
    return sumOfPieces(sums);
  }

  /**
   * Normalises, clips and applies the gradients. With a loss scale that is void if there was an overflow
   * that the scaler has not heard of.
   *
   * @param steps for each group of parameters the number of this step of theirs, from 1.
   * @param trained one letter per droppable layer, "0" where no micro-batch had it.
   * @param normalization what gradients are multiplied by: 1 / sample size.
   * @returns norm of the normalised gradient before clipping; with a loss scale what became of it.
   */
  apply(
    lr: number,
    steps: readonly number[],
    trained: string,
    normalization: number,
  ): Decided<Pending> {
    const { optimizer, scaler } = this.options;
    const rows = steps.map((step) => optimizer.scalars(lr, step));
    const scalars = Float32Array.from(rows.flatMap((row) => [...row]));
    const inputs = {
      scalars: { data: scalars, shape: [rows.length, rows[0].length] },
      normalization: { data: Float32Array.of(normalization), shape: [] },
      lastOverflow: { data: Int32Array.of(scaler?.state.last_overflow_iter ?? -1), shape: [] },
    };
    return this.update(inputs, trained);
  }

  /** Moves the average of the weights: decay * average + (1 - decay) * weights. */
  moveAverage(decay: number): void {
    this.averaging({ decay: { data: Float32Array.of(decay), shape: [] } });
  }

  /** Makes the f16 copy of the parameters anew, after they were written. */
  halve(): void {
    this.halving({});
  }

  /** The criterion's sums in evaluation mode. */
  validate(sample: HostSample): Record<string, Pending> {
    return this.validation(this.inputsOf(sample));
  }

  /** Names of the sums that the criterion reports. */
  lossNames(): string[] {
    return this.reported;
  }

  /** The criterion's sums of a batch of one position, as symbols. */
  private trace(): { reported: string[]; packs: boolean } {
    const { criterion, model } = this.options;
    const tokens = (name: string, ...shape: number[]): Tensor => input(name, i32(...shape));
    const targetRows = tokens("targetRows", 1);
    const { result } = withTrace(() =>
      criterion.forward(model, {
        srcTokens: tokens("srcTokens", 1, 1),
        prevOutputTokens: tokens("prevOutputTokens", 1, 1),
        target: tokens("target", 1, 1),
        ...{ targetRows, targetPlaces: tokens("targetPlaces", 1, 1) },
        targetStarts: tokens("targetStarts", 2),
      }),
    );
    const nodes = topologicalOrder(Object.values(result));
    const packs = nodes.some(({ inputs }) => inputs.some(({ node }) => node === targetRows.node));
    return { reported: Object.keys(result), packs };
  }

  /** A criterion or model that has no use for packed positions gets none: else it had more plans. */
  private inputsOf(sample: HostSample) {
    return this.packs ? packedInputs(sample) : wholeInputs(sample);
  }

  /** Bytes of temporaries that training on a batch of this shape needs. Plans it, runs nothing. */
  plan(sentences: number, sourceWidth: number, targetWidth: number): number {
    const pieces = this.pieces(sentences, sourceWidth, targetWidth);
    const specs = sampleSpecs(Math.ceil(sentences / pieces), sourceWidth, targetWidth);
    const { length: droppable } = this.options.model.droppableLayers;
    const kept = "1".repeat(droppable);
    const whole = { ...specs, key: i32(4) };
    const bytes = this.accumulate.prepare(whole, `first ${kept}`);
    // Pieces behind the first need as much, packed positions less; but a device that chooses kernels by timing
    // them has to meet theirs.
    if (this.options.device.tune && this.packs) {
      this.accumulate.prepare({ ...whole, ...packedSpecs(specs.target.shape) }, `first ${kept}`);
    }
    return Math.max(bytes, this.planUpdate(kept));
  }

  /** Makes the plans of an update of this batch alone. Runs nothing. */
  prepare(sample: HostSample): void {
    const kept = "1".repeat(this.options.model.droppableLayers.length);
    for (const [number, piece] of this.cut(sample).entries()) {
      const inputs = Object.entries<HostTensor>(this.inputsOf(piece));
      const specs = Object.fromEntries(inputs.map(([name, { shape }]) => [name, i32(...shape)]));
      const order = number === 0 ? "first" : "piece";
      this.accumulate.prepare(
        { ...(specs as Record<SampleInputs, TensorSpec>), key: i32(4) },
        `${order} ${kept}`,
      );
    }
    this.planUpdate(kept);
  }

  private planUpdate(kept: string): number {
    const { optimizer, model } = this.options;
    const { length } = optimizer.scalars(0, 1);
    const scalars = f32(1 + model.droppableLayers.length, length);
    return this.update.prepare({ scalars, normalization: f32(), lastOverflow: i32() }, kept);
  }

  private cut(sample: HostSample): HostSample[] {
    return cutBatch(sample, pieceCount(sample, this.positionsAtOnce));
  }

  /** In how many pieces such a batch is computed. */
  pieces(sentences: number, sourceWidth: number, targetWidth: number): number {
    return piecesOfShape(sentences, sourceWidth, targetWidth, this.positionsAtOnce);
  }

  /**
   * Source and target positions, padding too, whose activations the device wants to hold at once. It follows
   * from model and device alone, so that a run that is resumed cuts its batches as before.
   */
  private get positionsAtOnce(): number {
    const { pieceBytes } = this.options.device;
    if (pieceBytes === undefined) return Number.POSITIVE_INFINITY;
    this.bytesPerPosition ??= this.measurePosition();
    return Math.floor(pieceBytes / this.bytesPerPosition);
  }

  private measurePosition(): number {
    const [sentences, width] = [16, 32];
    const specs = sampleSpecs(sentences, width, width);
    const kept = "1".repeat(this.options.model.droppableLayers.length);
    const bytes = this.accumulate.peakBytes({ ...specs, key: i32(4) }, `first ${kept}`);
    return bytes / (2 * sentences * width);
  }

  /** The same for validation. */
  planValidation(sentences: number, sourceWidth: number, targetWidth: number): number {
    return this.validation.prepare(sampleSpecs(sentences, sourceWidth, targetWidth));
  }

  release(): void {
    for (const compiled of [
      this.accumulate,
      this.update,
      this.validation,
      this.averaging,
      this.halving,
    ]) {
      compiled.release();
    }
  }

  private traceGradients(
    { key, ...sample }: Sample & { readonly key: Tensor },
    variant: string,
  ): Record<string, Tensor> {
    const { model, parameters, criterion, scaler } = this.options;
    const [order, kept] = variant.split(" ");
    const sums = withFloat(this.float, () =>
      withRandomness(new Randomness(key, kept), () => criterion.forward(model, sample)),
    );
    const slots = [...parameters.slots.values()];
    const gradients = gradient(
      scaler ? mul(sums.loss, readVariable(scaler.scale)) : sums.loss,
      slots.map(({ working }) => readVariable(working)),
      order === "piece" ? slots.map((slot) => readVariable(slot.gradient)) : [],
    );
    for (const [index, slot] of slots.entries()) {
      const own = gradients[index];
      // A micro-batch's gradient is rounded before it is added, as where a peer has computed it.
      assign(slot.gradient, order === "more" ? add(readVariable(slot.gradient), own) : own);
    }
    return sums;
  }

  private traceUpdate(
    { scalars, normalization, lastOverflow }: Readonly<Record<UpdateInputs, Tensor>>,
    trained: string,
  ): Decided<Tensor> {
    const { parameters, optimizer, clipNorm, scaler } = this.options;
    const total = parameters.segments
      .map(({ gradients }) => squareSum(readVariable(gradients)))
      .reduce((a, b) => add(a, b));
    const decided: Decided<Tensor> & { readonly coefficient: Tensor } = scaler?.step(
      total,
      normalization,
      lastOverflow,
      clipNorm,
    ) ?? {
      coefficient: clipCoefficient(total, normalization, clipNorm),
      norm: mul(sqrt(total), normalization),
    };
    const [, length] = scalars.shape;
    for (const [range, { group, values, working }] of parameters.ranges.entries()) {
      // As in fairseq: what has no gradient is not even decayed.
      if (group > 0 && trained[group - 1] === "0") continue;
      const own = reshape(slice(scalars, 0, group, group + 1), [length]);
      optimizer.step(range, own, decided.coefficient);
      if (working !== values) assign(working, cast(readVariable(values), "f16"));
    }
    const { coefficient: _, ...told } = decided;
    return told;
  }

  private traceHalves(): Record<never, Tensor> {
    for (const { values, working } of this.options.parameters.segments) {
      if (working !== values) assign(working, cast(readVariable(values), "f16"));
    }
    return {};
  }

  /** What the model computes with. */
  private get float(): "f32" | "f16" {
    return this.options.scaler ? "f16" : "f32";
  }

  private traceAverage(decay: Tensor): Record<never, Tensor> {
    const { average, parameters } = this.options;
    if (!average) throw new Error("TrainingStep: no average was asked for");
    for (const [number, { values }] of parameters.segments.entries()) {
      const variable = average.segments[number];
      assign(variable, ema(readVariable(variable), readVariable(values), decay));
    }
    return {};
  }
}
