import type { InferenceSession, Tensor } from "onnxruntime-web/jspi";
import type { Bundle } from "../../runtime/bundle.ts";
import type { Architecture } from "../../runtime/manifest.ts";
import type { OnnxBackend, OnnxBatch } from "../onnx_backend.ts";
import { cacheNames } from "./cache_names.ts";
import { GpuBatch } from "./gpu_batch.ts";
import { gpuDecoderGraph } from "./gpu_decoder_graph.ts";
import { gpuEncoderGraph } from "./gpu_encoder_graph.ts";
import type { GpuRuntime } from "./gpu_runtime.ts";
import { GpuWeights } from "./gpu_weights.ts";
import { HostPositions } from "./host_positions.ts";

/** Tensors by the names of a graph's inputs or outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** A bundle's weights on the GPU, and graphs that are made for it when the bundle is loaded. */
export class GpuModel implements OnnxBackend {
  /** Bytes of tensors that batches hold on the GPU. */
  private held = 0;
  private most = 0;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly runtime: GpuRuntime,
    readonly architecture: Architecture,
    readonly vocabulary: number,
    private readonly encoder: InferenceSession,
    private readonly decoder: InferenceSession,
    private readonly weights: GpuWeights,
    private readonly positions: Readonly<Record<"encoder" | "decoder", HostPositions>>,
  ) {
    this.most = weights.bytes;
  }

  /** @throws UserError for a file that is damaged, or a GPU that has no room. */
  static async load(bundle: Bundle, runtime: GpuRuntime, vocabulary: number): Promise<GpuModel> {
    const { manifest } = bundle;
    const caches = cacheNames(manifest.architecture.decoder.layers);
    const ends = (prefix: string): string[] => caches.map((name) => `${prefix}_${name}`);
    const positions = {
      encoder: await HostPositions.load(bundle, "encoder"),
      decoder: await HostPositions.load(bundle, "decoder"),
    };
    const encoder = await session(runtime, gpuEncoderGraph(manifest), ends("cross"));
    let decoder: InferenceSession | undefined;
    try {
      decoder = await session(runtime, gpuDecoderGraph(manifest), ends("next_self"));
      const shapes = new Map([...parametersOf(encoder), ...parametersOf(decoder)]);
      const weights = await GpuWeights.load(bundle, runtime, shapes);
      const parts = [runtime, manifest.architecture, vocabulary, encoder, decoder] as const;
      return new GpuModel(...parts, weights, positions);
    } catch (error) {
      await encoder.release();
      await decoder?.release();
      throw error;
    }
  }

  get name(): string {
    return this.runtime.name;
  }

  /** Bytes on the GPU that are held from run to run: what ONNX Runtime needs within one is not counted. */
  get memory(): { readonly used: number; readonly grown: number } {
    return { used: this.weights.bytes + this.held, grown: this.most };
  }

  begin(sources: readonly Int32Array[], beam: number): Promise<OnnxBatch> {
    return GpuBatch.begin(this, sources, beam);
  }

  /** @param tokens (S). @returns every layer's keys and values, on the GPU, by the names of outputs. */
  encode(tokens: Int32Array): Promise<Tensors> {
    const feeds = {
      tokens: this.tensor("int32", tokens, [tokens.length]),
      positions: this.rowsOf("encoder", 0, tokens.length),
    };
    return this.run(this.encoder, feeds, this.encoder.outputNames);
  }

  /**
   * @param feeds all but weights and positions. @param step of the tokens.
   * @param receive takes the results while ONNX Runtime does nothing else: it may free what was fed.
   */
  decode(
    feeds: Tensors,
    step: number,
    wanted: readonly string[],
    receive: (results: Tensors) => void,
  ): Promise<Tensors> {
    const positions = this.rowsOf("decoder", step, 1);
    return this.run(this.decoder, { ...feeds, positions }, wanted, receive);
  }

  tensor(type: "float32" | "int32", data: Float32Array | Int32Array, dims: number[]): Tensor {
    return new this.runtime.ort.Tensor(type, data, dims);
  }

  /** ONNX Runtime runs one graph at a time, and frees nothing meanwhile: whatever it shall do waits here. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  /** Counts bytes that a batch holds from now on, or holds no more. */
  count(bytes: number): void {
    this.held += bytes;
    this.most = Math.max(this.most, this.memory.used);
  }

  release(): void {
    void this.inTurn(async () => {
      await this.encoder.release();
      await this.decoder.release();
      this.weights.release();
    });
  }

  private rowsOf(side: "encoder" | "decoder", first: number, count: number): Tensor {
    const { embed_dim } = this.architecture[side];
    return this.tensor("float32", this.positions[side].rows(first, count), [count, embed_dim]);
  }

  /** What the graph has no use for, such as positions where the model has none, is left out. */
  private run(
    session: InferenceSession,
    given: Tensors,
    wanted: readonly string[],
    receive?: (results: Tensors) => void,
  ): Promise<Tensors> {
    const feeds: Record<string, Tensor> = {};
    for (const name of session.inputNames) {
      const tensor = given[name] ?? this.weights.tensors.get(name);
      if (tensor) feeds[name] = tensor;
    }
    return this.inTurn(async () => {
      const results = (await session.run(feeds, wanted)) as Tensors;
      receive?.(results);
      return results;
    });
  }
}

/** Names and shapes of the parameters that a graph takes; they have a dot in their names, unlike all else. */
function parametersOf({ inputMetadata }: InferenceSession): [string, readonly number[]][] {
  const parameters = inputMetadata.filter(({ name }) => name.includes("."));
  return parameters.map((input) => [input.name, input.isTensor ? input.shape.map(Number) : []]);
}

/**
 * A graph of which every node runs on the GPU: ONNX Runtime would move some to the processor unasked.
 *
 * @param kept outputs that stay there.
 */
async function session(
  { ort, device }: GpuRuntime,
  graph: Uint8Array<ArrayBuffer>,
  kept: readonly string[],
): Promise<InferenceSession> {
  return ort.InferenceSession.create(graph, {
    executionProviders: [{ name: "webgpu", device }],
    extra: { session: { disable_cpu_ep_fallback: "1" } },
    logSeverityLevel: 4,
    preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, "gpu-buffer"])),
  });
}
