// Device memory and compiled functions for decoding batches of one shape. Batches of a test set
// are sorted by length, so one workspace serves many of them in a row.
import { affine } from "../../kernels/elementwise/index.ts";
import { cacheStore, concat, gatherRows, reshape } from "../../kernels/movement/index.ts";
import { logSoftmaxTopK } from "../../kernels/search/index.ts";
import { logSoftmax } from "../../kernels/softmax/index.ts";

import type { Device, Pending, Span } from "../device/device.ts";
import { type CompiledFunction, compile, type HostTensor } from "../engine/compile.ts";
import { assign, readVariable } from "../engine/trace.ts";
import { f32, i32, sizeOf } from "../tensor/shape.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";
import type { LayerCaches, StepContext } from "./incremental.ts";
import type { EncoderDecoderModel } from "./model.ts";

/** Positions that a fresh cache has room for; it doubles when a sentence grows longer. */
const FIRST_CAPACITY = 32;

export interface WorkspaceShape {
  /** B: sentences. */
  readonly sentences: number;
  /** S: source width. */
  readonly width: number;
  /** K: rows per sentence. */
  readonly beam: number;
  readonly temperature: number;
  readonly attention: boolean;
}

interface KeyValueVariables {
  readonly keys: Variable;
  readonly values: Variable;
}

type StepInputs = "tokens" | "position" | "length" | "number" | "ancestors";

export class DecodingWorkspace {
  private capacity = FIRST_CAPACITY;
  /** Per layer, (B, S, C); the first sentences of it when some have finished. */
  private readonly cross: KeyValueVariables[];
  private readonly sourcePadding: Variable;
  /** Per layer, (B K, L, C). */
  private self: KeyValueVariables[];
  private readonly views = new Map<Variable, Map<number, Variable>>();
  private readonly encodeSource: CompiledFunction<"srcTokens", never>;
  private readonly keepSentences: CompiledFunction<"kept", never>;
  private stepFunctions: StepFunctions;

  constructor(
    private readonly device: Device,
    private readonly model: EncoderDecoderModel,
    readonly shape: WorkspaceShape,
    private readonly spans: Span[] | undefined,
  ) {
    const { sentences, width } = shape;
    const { layers, width: C } = model.cache;
    this.cross = Array.from({ length: layers }, (_, layer) => ({
      keys: new Variable(`cross.${layer}.keys`, f32(sentences, width, C)),
      values: new Variable(`cross.${layer}.values`, f32(sentences, width, C)),
    }));
    this.sourcePadding = new Variable("source padding", i32(sentences, width));
    this.self = this.newCaches();
    this.encodeSource = compile(device, "encode", ({ srcTokens }) => this.traceEncode(srcTokens));
    this.keepSentences = compile(device, "keep sentences", ({ kept }, before) =>
      this.traceKeep(kept, Number(before)),
    );
    this.encodeSource.spans = spans;
    this.stepFunctions = this.compileSteps();
  }

  get bytes(): number {
    const { sentences, width, beam } = this.shape;
    const { layers, width: C } = this.model.cache;
    return 8 * layers * C * sentences * (width + beam * this.capacity);
  }

  /** Encodes i32 (B, S) and keeps each layer's keys and values of it. */
  encode(srcTokens: HostTensor): void {
    this.encodeSource({ srcTokens });
  }

  /** Moves what belongs to the sentences that live on to the front. */
  keep(kept: Int32Array, before: number): void {
    this.keepSentences({ kept: { data: kept, shape: [kept.length] } }, String(before));
  }

  /** Number of slots of the self-attention caches, at least `positions`. */
  reserve(positions: number): number {
    while (this.capacity < positions) this.grow();
    return this.capacity;
  }

  /** All log-probabilities of a step: (R, V), and attention (R, S). */
  rows(inputs: Record<StepInputs, HostTensor>): Record<string, Pending> {
    return this.stepFunctions.rows(inputs);
  }

  /** The k best log-probabilities of a step after adding `bias` (V): (R, k). */
  best(
    inputs: Record<StepInputs, HostTensor>,
    bias: HostTensor,
    k: number,
  ): Record<string, Pending> {
    return this.stepFunctions.best({ ...inputs, bias }, String(k));
  }

  release(): void {
    this.encodeSource.release();
    this.keepSentences.release();
    this.stepFunctions.release();
    for (const { keys, values } of [...this.cross, ...this.self]) {
      this.device.free(keys);
      this.device.free(values);
    }
    this.device.free(this.sourcePadding);
  }

  private newCaches(): KeyValueVariables[] {
    const { layers, width: C } = this.model.cache;
    const rows = this.shape.sentences * this.shape.beam;
    return Array.from({ length: layers }, (_, layer) => ({
      keys: new Variable(`self.${layer}.keys`, f32(rows, this.capacity, C)),
      values: new Variable(`self.${layer}.values`, f32(rows, this.capacity, C)),
    }));
  }

  /** Doubles the self-attention caches, keeping what they hold. */
  private grow(): void {
    const old = this.self;
    this.capacity *= 2;
    this.self = this.newCaches();
    const enlarge = compile(this.device, "enlarge caches", () => {
      for (const [layer, { keys, values }] of old.entries()) {
        for (const [from, to] of [
          [keys, this.self[layer].keys],
          [values, this.self[layer].values],
        ]) {
          const room = constant(new Float32Array(sizeOf(from.spec.shape)), from.spec.shape);
          assign(to, concat([readVariable(from), room], 1));
        }
      }
      return {};
    });
    enlarge({});
    enlarge.release();
    this.stepFunctions.release();
    this.stepFunctions = this.compileSteps();
    for (const { keys, values } of old) {
      this.device.free(keys);
      this.device.free(values);
    }
  }

  private traceEncode(srcTokens: Tensor): Record<never, Tensor> {
    const { cross, padding } = this.model.encode(srcTokens);
    for (const [layer, { keys, values }] of cross.entries()) {
      assign(this.cross[layer].keys, keys);
      assign(this.cross[layer].values, values);
    }
    assign(this.sourcePadding, padding);
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
    let view = views.get(count);
    if (!view) {
      view = root.view(root.name, [count, ...root.spec.shape.slice(1)], 0);
      views.set(count, view);
    }
    return view;
  }

  private compileSteps(): StepFunctions {
    const rows = compile<StepInputs, string>(this.device, "decode step", (inputs) => {
      const { logits, attention } = this.traceStep(inputs);
      const outputs: Record<string, Tensor> = { logProbs: logSoftmax(logits) }; // (R, V)
      if (attention) outputs.attention = attention;
      return outputs;
    });
    const best = compile<StepInputs | "bias", string>(
      this.device,
      "decode step",
      ({ bias, ...inputs }, k) => {
        const { logits, attention } = this.traceStep(inputs);
        const [logProbs, tokens] = logSoftmaxTopK(logits, Number(k), { bias }); // (R, k)
        const outputs: Record<string, Tensor> = { logProbs, tokens };
        if (attention) outputs.attention = attention;
        return outputs;
      },
    );
    rows.spans = this.spans;
    best.spans = this.spans;
    return {
      rows,
      best,
      release() {
        rows.release();
        best.release();
      },
    };
  }

  private traceStep(inputs: Readonly<Record<StepInputs, Tensor>>): {
    logits: Tensor;
    attention: Tensor | undefined;
  } {
    const { tokens, position, length, number, ancestors } = inputs;
    const { beam, width, temperature } = this.shape;
    const [R] = tokens.shape;
    const B = R / beam;
    const caches = this.self.map(
      ({ keys, values }, layer): LayerCaches => ({
        self: { keys: readVariable(keys), values: readVariable(values) },
        cross: {
          keys: readVariable(this.first(this.cross[layer].keys, B)),
          values: readVariable(this.first(this.cross[layer].values, B)),
        },
      }),
    );
    let layer = 0;
    const context: StepContext = {
      ancestors,
      position,
      length,
      sourcePadding: readVariable(this.first(this.sourcePadding, B)), // (B, S)
      store: (self, added) => {
        const variables = this.self[layer++];
        const keys = cacheStore(self.keys, added.keys, position);
        const values = cacheStore(self.values, added.values, position);
        assign(variables.keys, keys);
        assign(variables.values, values);
        return { keys, values };
      },
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

interface StepFunctions {
  readonly rows: CompiledFunction<StepInputs, string>;
  readonly best: CompiledFunction<StepInputs | "bias", string>;
  release(): void;
}
