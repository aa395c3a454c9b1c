// The scorer's TargetScorer over a compiled model: one teacher-forced pass per batch.
import { gatherRows, reshape } from "../../kernels/movement/index.ts";
import { logSoftmax } from "../../kernels/softmax/index.ts";
import type { ScoringBatch, TargetScorer, TargetScores } from "../decode/sequence_scorer.ts";
import type { Device } from "../device/device.ts";
import type { Span } from "../device/spans.ts";
import { type CompiledFunction, compile } from "../engine/compile.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EncoderDecoderModel } from "./model.ts";

/** Shapes of batches seldom repeat here: few plans are worth their memory. */
const PLANS = 8;

export interface DeviceTargetScorerOptions {
  readonly vocabulary: number;
  readonly padding: number;
  readonly eos: number;
  /** Whether attention is wanted. */
  readonly attention: boolean;
  /** When given, every run appends its spans. */
  readonly spans?: Span[];
}

export class DeviceTargetScorer implements TargetScorer {
  private readonly forward: CompiledFunction<"srcTokens" | "prevOutputTokens" | "places", string>;

  constructor(
    device: Device,
    model: EncoderDecoderModel,
    private readonly options: DeviceTargetScorerOptions,
  ) {
    this.forward = compile(
      device,
      "score",
      ({ srcTokens, prevOutputTokens, places }) => {
        const { logits, attention } = options.attention
          ? model.forwardWithAttention(srcTokens, prevOutputTokens)
          : { logits: model.forward(srcTokens, prevOutputTokens), attention: undefined };
        const [B, T, V] = logits.shape;
        const all = reshape(logSoftmax(logits), [B * T * V, 1]);
        const outputs: Record<string, Tensor> = { logProbs: gatherRows(all, places) }; // (B T, 1)
        if (attention) outputs.attention = attention; // (B, T, S)
        return outputs;
      },
      { plans: PLANS },
    );
    this.forward.spans = options.spans;
  }

  async score({ source, target, targetWidth }: ScoringBatch): Promise<TargetScores> {
    const { vocabulary } = this.options;
    const shape = [source.sentences, targetWidth];
    const results = this.forward({
      srcTokens: { data: source.tokens, shape: [source.sentences, source.width] },
      prevOutputTokens: { data: this.shiftRight(target, targetWidth), shape },
      places: { data: target.map((token, i) => i * vocabulary + token), shape: [target.length] },
    });
    const logProbs = (await results.logProbs.read()) as Float32Array;
    const attention = (await results.attention?.read()) as Float32Array | undefined;
    return { logProbs, attention };
  }

  /** Gives the plans back. */
  close(): void {
    this.forward.release();
  }

  /** What the decoder is fed: eos, then all of the target but its last token. */
  private shiftRight(target: Int32Array, width: number): Int32Array {
    const { padding, eos } = this.options;
    return target.map((token, i) => {
      if (i % width === 0) return eos;
      return token === padding ? padding : target[i - 1];
    });
  }
}
