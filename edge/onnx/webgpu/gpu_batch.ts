// The tensors of a batch that is being decoded on the GPU. Keys and values stay there; tokens go there, and
// what was chosen comes back.
import type { Tensor } from "onnxruntime-web/jspi";
import type { StepInput } from "../../../src/decode/step_decoder.ts";
import { writeBias } from "../../../src/decode/token_rules.ts";
import type { OnnxBatch, StepOutputs, WantedOutputs } from "../onnx_backend.ts";
import { cacheNames } from "./cache_names.ts";
import { CrossCaches } from "./cross_caches.ts";
import type { GpuModel, Tensors } from "./gpu_model.ts";

/** In place of minus infinity, of which shaders may assume that there is none. */
const LOWEST = -1e30;

export class GpuBatch implements OnnxBatch {
  private readonly names: readonly string[];
  /** What was said: (rows, H, P, D) for each of `names`. */
  private past: readonly Tensor[];
  private isReleased = false;

  private constructor(
    private readonly model: GpuModel,
    private readonly beam: number,
    private readonly cross: CrossCaches,
    sentences: number,
  ) {
    const { layers, attention_heads: H, embed_dim: C } = model.architecture.decoder;
    this.names = cacheNames(layers);
    const shape = [sentences * beam, H, 0, C / H];
    this.past = this.names.map(() => model.tensor("float32", new Float32Array(), shape));
  }

  static async begin(
    model: GpuModel,
    sources: readonly Int32Array[],
    beam: number,
  ): Promise<GpuBatch> {
    const cross = await CrossCaches.of(model, sources);
    return new GpuBatch(model, beam, cross, sources.length);
  }

  async step(input: StepInput, wanted: WantedOutputs): Promise<StepOutputs> {
    if (input.keptSentences) await this.cross.keep(input.keptSentences);
    const next = this.names.map((name) => `next_self_${name}`);
    const feeds = this.feeds(input, wanted);
    const outputs = [...next, ...wanted.outputs];
    const results = await this.model.decode(feeds, input.step, outputs, (results) =>
      this.replacePast(next.map((name) => results[name])),
    );
    const data = (name: string) => results[name]?.data;
    const scores = data("scores") as Float32Array | undefined;
    return {
      logProbs: (data("log_probs") as Float32Array | undefined) ?? new Float32Array(),
      scores:
        scores?.map((score) => (score < LOWEST / 2 ? -Infinity : score)) ?? new Float32Array(),
      candidates: Int32Array.from((data("candidates") as BigInt64Array | undefined) ?? [], Number),
      attention: (data("attention") as Float32Array | undefined) ?? new Float32Array(),
    };
  }

  release(): void {
    this.isReleased = true;
    void this.model.inTurn(async () => {
      this.replacePast([]);
      this.cross.release();
    });
  }

  /** In the model's turn. The step before may still be read until its successor is there. */
  private replacePast(next: readonly Tensor[]): void {
    const [before, after] = [this.past, this.isReleased ? [] : next];
    this.past = after;
    this.model.count(bytesOf(after) - bytesOf(before));
    for (const tensor of this.isReleased ? [...before, ...next] : before) tensor.dispose();
  }

  private feeds(input: StepInput, wanted: WantedOutputs): Tensors {
    const { model, beam, cross } = this;
    const { ort } = model.runtime;
    const { rows } = input;
    const own = Int32Array.from({ length: rows }, (_, row) => row);
    const bias = new Float32Array(model.vocabulary);
    if (wanted.rules) writeBias(bias, wanted.rules);
    const shape = [cross.sentences, beam, model.architecture.decoder.embed_dim];
    return {
      tokens: model.tensor("int32", Int32Array.from(input.tokens), [rows]),
      parents: model.tensor("int32", Int32Array.from(input.reorder ?? own), [rows]),
      folded: new ort.Tensor("int64", BigInt64Array.from(shape, BigInt), [3]),
      source_bias: cross.bias(beam, LOWEST),
      inverse_temperature: model.tensor("float32", Float32Array.of(1 / wanted.temperature), []),
      token_bias: model.tensor("float32", bias.map(finite), [model.vocabulary]),
      count: new ort.Tensor("int64", BigInt64Array.of(BigInt(wanted.count)), [1]),
      ...Object.fromEntries(this.names.map((name, i) => [`self_${name}`, this.past[i]])),
      ...cross.feeds,
    };
  }
}

const finite = (number: number): number => Math.max(LOWEST, number);

const bytesOf = (tensors: readonly Tensor[]): number =>
  tensors.reduce((sum, { size }) => sum + 4 * size, 0);
