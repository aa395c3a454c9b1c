// Device memory and compiled functions for decoding batches of one width. Batches of a test set
// are sorted by length, so one workspace serves many of them in a row.
import { affine } from "../../kernels/elementwise/index.ts";
import { gatherRows, reshape } from "../../kernels/movement/index.ts";
import { logSoftmaxTopK } from "../../kernels/search/index.ts";
import { logSoftmax } from "../../kernels/softmax/index.ts";

import type { Device, Pending, Span } from "../device/device.ts";
import { type CompiledFunction, compile, type HostTensor } from "../engine/compile.ts";
import { assign, readVariable } from "../engine/trace.ts";
import { uniqueParameters } from "../nn/module.ts";
import { f32, i32 } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";
import type { LayerCaches, StepContext } from "./incremental.ts";
import type { EncoderDecoderModel } from "./model.ts";
import type { KeyValueVariables, SelfAttentionCache } from "./self_attention_cache.ts";

export interface WorkspaceShape {
  /** S: source width. */
  readonly width: number;
  /** K: rows per sentence. */
  readonly beam: number;
  readonly temperature: number;
  readonly attention: boolean;
}

type StepInputs = "tokens" | "position" | "length" | "number" | "ancestors";

export class DecodingWorkspace {
  /** Per layer, (sentences, S, C); a batch lies in the first B of them. */
  private readonly cross: KeyValueVariables[];
  private readonly sourcePadding: Variable;
  private readonly views = new Map<Variable, Map<number, Variable>>();
  private readonly encodeSource: CompiledFunction<"srcTokens", never>;
  private readonly keepSentences: CompiledFunction<"kept", never>;
  private readonly allRows: CompiledFunction<StepInputs, string>;
  private readonly bestOfRows: CompiledFunction<StepInputs | "bias", string>;
  private cacheVersion = -1;

  /** @param sentences most that a batch may have. */
  constructor(
    private readonly device: Device,
    private readonly model: EncoderDecoderModel,
    private readonly cache: SelfAttentionCache,
    readonly sentences: number,
    readonly shape: WorkspaceShape,
    spans: Span[] | undefined,
  ) {
    const { layers, width: C } = model.cache;
    const spec = f32(sentences, shape.width, C);
    this.cross = Array.from({ length: layers }, (_, layer) => ({
      keys: new Variable(`cross.${layer}.keys`, spec),
      values: new Variable(`cross.${layer}.values`, spec),
    }));
    this.sourcePadding = new Variable("source padding", i32(sentences, shape.width));
    const parameters = [...uniqueParameters(model).values()];
    const frozen = new Set(parameters.map(({ variable }) => variable.root));
    const options = { frozen };
    this.encodeSource = compile(
      device,
      "encode",
      ({ srcTokens }) => this.traceEncode(srcTokens),
      options,
    );
    this.keepSentences = compile(device, "keep sentences", ({ kept }, before) =>
      this.traceKeep(kept, Number(before)),
    );
    this.allRows = compile(device, "decode step", (inputs) => this.traceAllRows(inputs), options);
    this.bestOfRows = compile(
      device,
      "decode step",
      ({ bias, ...inputs }, k) => this.traceBest(inputs, bias, Number(k)),
      options,
    );
    for (const each of [this.encodeSource, this.allRows, this.bestOfRows]) each.spans = spans;
  }

  /** Of what belongs to sources; the cache of outputs is the decoder's. */
  get bytes(): number {
    const { layers, width: C } = this.model.cache;
    return 8 * layers * C * this.sentences * this.shape.width;
  }

  /** Encodes i32 (B, S) and keeps each layer's keys and values of it. */
  encode(srcTokens: HostTensor): void {
    this.encodeSource({ srcTokens });
  }

  /** Moves what belongs to the sentences that live on, of the first `before`, to the front. */
  keep(kept: Int32Array, before: number): void {
    this.keepSentences({ kept: { data: kept, shape: [kept.length] } }, String(before));
  }

  /** All log-probabilities of a step: (R, V), and attention (R, S). */
  rows(inputs: Record<StepInputs, HostTensor>): Record<string, Pending> {
    this.followCache();
    return this.allRows(inputs);
  }

  /** The k best log-probabilities of a step after adding `bias` (V): (R, k). */
  best(
    inputs: Record<StepInputs, HostTensor>,
    bias: HostTensor,
    k: number,
  ): Record<string, Pending> {
    this.followCache();
    return this.bestOfRows({ ...inputs, bias }, String(k));
  }

  release(): void {
    for (const each of [this.encodeSource, this.keepSentences, this.allRows, this.bestOfRows]) {
      each.release();
    }
    for (const { keys, values } of this.cross) {
      this.device.free(keys);
      this.device.free(values);
    }
    this.device.free(this.sourcePadding);
  }

  /** Steps were compiled over the cache's variables: where these are others now, anew. */
  private followCache(): void {
    if (this.cacheVersion === this.cache.version) return;
    this.cacheVersion = this.cache.version;
    this.allRows.release();
    this.bestOfRows.release();
  }

  private traceEncode(srcTokens: Tensor): Record<never, Tensor> {
    const [B] = srcTokens.shape;
    const { cross, padding } = this.model.encode(srcTokens);
    for (const [layer, { keys, values }] of cross.entries()) {
      assign(this.first(this.cross[layer].keys, B), keys);
      assign(this.first(this.cross[layer].values, B), values);
    }
    assign(this.first(this.sourcePadding, B), padding);
    return {};
  }

  private traceKeep(kept: Tensor, before: number): Record<never, Tensor> {
    const [after] = kept.shape;
    const roots = this.cross.flatMap(({ keys, values }) => [keys, values]);
    for (const root of [...roots, this.sourcePadding]) {
      const moved = gatherRows(readVariable(this.first(root, before)), kept);
      assign(this.first(root, after), moved);
    }
    return {};
  }

  /** The first `count` sentences of a variable, as one. */
  private first(root: Variable, count: number): Variable {
    const views = this.views.get(root) ?? new Map<number, Variable>();
    this.views.set(root, views);
    const shape = [count, ...root.spec.shape.slice(1)];
    const view = views.get(count) ?? root.view(root.name, shape, 0);
    views.set(count, view);
    return view;
  }

  private traceAllRows(inputs: Readonly<Record<StepInputs, Tensor>>): Record<string, Tensor> {
    const { logits, attention } = this.traceStep(inputs);
    const outputs: Record<string, Tensor> = { logProbs: logSoftmax(logits) }; // (R, V)
    if (attention) outputs.attention = attention;
    return outputs;
  }

  private traceBest(
    inputs: Readonly<Record<StepInputs, Tensor>>,
    bias: Tensor,
    k: number,
  ): Record<string, Tensor> {
    const { logits, attention } = this.traceStep(inputs);
    const [logProbs, tokens] = logSoftmaxTopK(logits, k, { bias }); // (R, k)
    const outputs: Record<string, Tensor> = { logProbs, tokens };
    if (attention) outputs.attention = attention;
    return outputs;
  }

  private traceStep(inputs: Readonly<Record<StepInputs, Tensor>>): {
    logits: Tensor;
    attention: Tensor | undefined;
  } {
    const { tokens, position, length, number, ancestors } = inputs;
    const { beam, width, temperature } = this.shape;
    const [R] = tokens.shape;
    const B = R / beam;
    const caches = this.cross.map(
      ({ keys, values }, layer): LayerCaches => ({
        self: this.cache.read(layer),
        cross: {
          keys: readVariable(this.first(keys, B)),
          values: readVariable(this.first(values, B)),
        },
      }),
    );
    let layer = 0;
    const context: StepContext = {
      ancestors,
      position,
      length,
      sourcePadding: readVariable(this.first(this.sourcePadding, B)), // (B, S)
      store: (_, added) => this.cache.store(layer++, added, position),
      bySentence: (x) => reshape(x, [B, beam, x.shape[1]]),
      byRow: (x) => reshape(x, [R, x.shape[2]]),
    };
    const { logits, attention } = this.model.step(
      tokens,
      number,
      caches,
      context,
      this.shape.attention && width > 0,
    );
    return { logits: temperature === 1 ? logits : affine(logits, 1 / temperature, 0), attention };
  }
}
