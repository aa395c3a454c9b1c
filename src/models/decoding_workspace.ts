// Compiled functions for decoding, over caches that all batches of a decoder share.
import { affine } from "../../kernels/elementwise/index.ts";
import { reshape } from "../../kernels/movement/index.ts";
import { logSoftmaxTopK } from "../../kernels/search/index.ts";
import { logSoftmax } from "../../kernels/softmax/index.ts";

import type { Device, Pending } from "../device/device.ts";
import type { Span } from "../device/spans.ts";
import { type CompiledFunction, compile, type HostTensor } from "../engine/compile.ts";
import { uniqueParameters } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LayerCaches, StepContext } from "./incremental.ts";
import type { EncoderDecoderModel } from "./model.ts";
import type { SelfAttentionCache } from "./self_attention_cache.ts";
import type { SourceCache } from "./source_cache.ts";

export interface Caches {
  readonly self: SelfAttentionCache;
  readonly source: SourceCache;
}

/** What a step's plan depends on besides the number of its sentences. */
export interface StepKind {
  /** Rows per sentence. */
  readonly beam: number;
  readonly temperature: number;
  /** The batch that the slots belong to, where its attention is to be shown. */
  readonly shown: { readonly sentences: number; readonly width: number } | undefined;
}

type StepInputs =
  | ("tokens" | "position" | "length" | "number" | "ancestors")
  /** i32 (B) and (): as sourceAttention() wants them. */
  | ("slots" | "width");

export class DecodingWorkspace {
  private readonly encodeSource: CompiledFunction<"srcTokens", never>;
  private readonly allRows: CompiledFunction<StepInputs, string>;
  private readonly bestOfRows: CompiledFunction<StepInputs | "bias", string>;
  private selfVersion = -1;
  private sourceVersion = -1;

  constructor(
    device: Device,
    private readonly model: EncoderDecoderModel,
    private readonly caches: Caches,
    spans: Span[] | undefined,
  ) {
    const parameters = [...uniqueParameters(model).values()];
    const options = { frozen: new Set(parameters.map(({ variable }) => variable.root)) };
    this.encodeSource = compile(
      device,
      "encode",
      ({ srcTokens }) => {
        caches.source.store(model.encode(srcTokens));
        return {};
      },
      options,
    );
    this.allRows = compile(
      device,
      "decode step",
      (inputs, variant) => this.traceAllRows(inputs, parseKind(variant)[1]),
      options,
    );
    this.bestOfRows = compile(
      device,
      "decode step",
      ({ bias, ...inputs }, variant) => this.traceBest(inputs, bias, parseKind(variant)),
      options,
    );
    for (const each of this.functions) each.spans = spans;
  }

  /** Encodes i32 (B, S) and keeps each layer's keys and values of it. */
  encode(srcTokens: HostTensor): void {
    this.followCaches();
    this.encodeSource({ srcTokens });
  }

  /** All log-probabilities of a step: (R, V), and attention (R, S). */
  rows(inputs: Record<StepInputs, HostTensor>, kind: StepKind): Record<string, Pending> {
    this.followCaches();
    return this.allRows(inputs, formatKind(0, kind));
  }

  /** The k best log-probabilities of a step after adding `bias` (V): (R, k). */
  best(
    inputs: Record<StepInputs, HostTensor>,
    bias: HostTensor,
    k: number,
    kind: StepKind,
  ): Record<string, Pending> {
    this.followCaches();
    return this.bestOfRows({ ...inputs, bias }, formatKind(k, kind));
  }

  release(): void {
    for (const each of this.functions) each.release();
  }

  private get functions() {
    return [this.encodeSource, this.allRows, this.bestOfRows];
  }

  /** Plans were made over the caches' variables: where these are others now, anew. */
  private followCaches(): void {
    const { self, source } = this.caches;
    const [sameSelf, sameSource] = [
      self.version === this.selfVersion,
      source.version === this.sourceVersion,
    ];
    this.selfVersion = self.version;
    this.sourceVersion = source.version;
    if (!sameSource) this.encodeSource.release();
    if (sameSelf && sameSource) return;
    this.allRows.release();
    this.bestOfRows.release();
  }

  private traceAllRows(
    inputs: Readonly<Record<StepInputs, Tensor>>,
    kind: StepKind,
  ): Record<string, Tensor> {
    const { logits, attention } = this.traceStep(inputs, kind);
    const outputs: Record<string, Tensor> = { logProbs: logSoftmax(logits) }; // (R, V)
    if (attention) outputs.attention = attention;
    return outputs;
  }

  private traceBest(
    inputs: Readonly<Record<StepInputs, Tensor>>,
    bias: Tensor,
    [k, kind]: readonly [number, StepKind],
  ): Record<string, Tensor> {
    const { logits, attention } = this.traceStep(inputs, kind);
    const [logProbs, tokens] = logSoftmaxTopK(logits, k, { bias }); // (R, k)
    const outputs: Record<string, Tensor> = { logProbs, tokens };
    if (attention) outputs.attention = attention;
    return outputs;
  }

  private traceStep(
    inputs: Readonly<Record<StepInputs, Tensor>>,
    { beam, temperature, shown }: StepKind,
  ): { logits: Tensor; attention: Tensor | undefined } {
    const { tokens, position, length, number, ancestors, slots, width } = inputs;
    const { self, source } = this.caches;
    const [R] = tokens.shape;
    const [B] = slots.shape;
    const { sentences, width: S } = shown ?? { sentences: 0, width: 0 };
    const caches = Array.from(
      { length: this.model.cache.layers },
      (_, layer): LayerCaches => ({
        self: self.read(layer),
        cross: source.read(layer),
        crossKeys: () => source.keysOf(layer, slots, sentences, S),
      }),
    );
    let layer = 0;
    const context: StepContext = {
      ancestors,
      position,
      length,
      source: { padding: source.readPadding(), slots, width, widest: source.widest },
      sourcePadding: () => source.paddingOf(slots, sentences, S),
      store: (_, added) => self.store(layer++, added, position),
      bySentence: (x) => reshape(x, [B, beam, x.shape[1]]),
      byRow: (x) => reshape(x, [R, x.shape[2]]),
    };
    const { logits, attention } = this.model.step(tokens, number, caches, context, S > 0);
    return { logits: temperature === 1 ? logits : affine(logits, 1 / temperature, 0), attention };
  }
}

/** A plan's variant. */
const formatKind = (k: number, { beam, temperature, shown }: StepKind): string =>
  [k, beam, temperature, ...(shown ? [shown.sentences, shown.width] : [])].join();

function parseKind(variant: string): [k: number, kind: StepKind] {
  const [k, beam, temperature, sentences, width] = variant.split(",").map(Number);
  const shown = sentences === undefined ? undefined : { sentences, width };
  return [k, { beam, temperature, shown }];
}
