import type { Tensor } from "onnxruntime-web/jspi";
import { OutOfMemoryError } from "../../../src/wasm/heap.ts";
import { cacheNames } from "./cache_names.ts";
import type { GpuModel, Tensors } from "./gpu_model.ts";

/** A piece of a tensor to be copied, in rows of its last axis. */
interface Piece {
  readonly from: GPUBuffer;
  readonly row: number;
  readonly to: number;
  readonly count: number;
}

/** Keys and values of the sources of a batch, on the GPU: (B, H, L, D), zeros behind shorter ones. */
export class CrossCaches {
  private constructor(
    private readonly model: GpuModel,
    /** Tokens of each sentence that lives. */
    private lengths: readonly number[],
    /** L */
    private readonly longest: number,
    private tensors: ReadonlyMap<string, Tensor>,
  ) {
    model.count(this.bytes);
  }

  /** Encodes sentences, without padding. @throws OutOfMemoryError if the GPU cannot bind as much. */
  static async of(model: GpuModel, sources: readonly Int32Array[]): Promise<CrossCaches> {
    const encoded: CrossCaches[] = [];
    let whole: CrossCaches | undefined;
    try {
      for (const source of sources) {
        const tensors = new Map(Object.entries(await model.encode(source)));
        encoded.push(new CrossCaches(model, [source.length], source.length, tensors));
      }
      whole =
        encoded.length === 1
          ? encoded[0]
          : await model.inTurn(async () => CrossCaches.stacked(model, encoded));
      return whole;
    } finally {
      await model.inTurn(async () => {
        for (const each of encoded) if (each !== whole) each.release();
      });
    }
  }

  get sentences(): number {
    return this.lengths.length;
  }

  get feeds(): Tensors {
    return Object.fromEntries(this.tensors);
  }

  /** (B, 1, K, L): 0, or `lowest` where a sentence has ended. */
  bias(beam: number, lowest: number): Tensor {
    const { model, lengths, longest } = this;
    const numbers = new Float32Array(lengths.length * beam * longest);
    for (const [i, length] of lengths.entries()) {
      for (let row = i * beam; row < (i + 1) * beam; row++) {
        numbers.fill(lowest, row * longest + length, (row + 1) * longest);
      }
    }
    return model.tensor("float32", numbers, [lengths.length, 1, beam, longest]);
  }

  /** Drops all sentences but these, in ascending order. */
  async keep(kept: Int32Array): Promise<void> {
    const { model, longest } = this;
    const rows = model.architecture.decoder.attention_heads * longest;
    const before = this.bytes;
    const old = this.tensors;
    const lengths = Array.from(kept, (i) => this.lengths[i]);
    await model.inTurn(async () => {
      this.tensors = copied(model, [lengths.length, longest], old.keys(), (name) =>
        Array.from(kept, (from, to) => ({
          from: bufferOf(old.get(name)),
          ...{ row: from * rows, to: to * rows, count: rows },
        })),
      );
      this.lengths = lengths;
      for (const tensor of old.values()) tensor.dispose();
    });
    model.count(this.bytes - before);
  }

  /** In the model's turn. */
  release(): void {
    this.model.count(-this.bytes);
    for (const tensor of this.tensors.values()) tensor.dispose();
    this.tensors = new Map();
  }

  private get bytes(): number {
    return [...this.tensors.values()].reduce((sum, { size }) => sum + 4 * size, 0);
  }

  /** Sentences of one as a batch. In the model's turn. */
  private static stacked(model: GpuModel, parts: readonly CrossCaches[]): CrossCaches {
    const { attention_heads: H } = model.architecture.decoder;
    const lengths = parts.map(({ longest }) => longest);
    const longest = Math.max(1, ...lengths);
    const names = cacheNames(model.architecture.decoder.layers).map((name) => `cross_${name}`);
    const tensors = copied(model, [parts.length, longest], names, (name) =>
      parts.flatMap(({ tensors }, b) =>
        Array.from({ length: H }, (_, head) => ({
          from: bufferOf(tensors.get(name)),
          row: head * lengths[b],
          to: (b * H + head) * longest,
          count: lengths[b],
        })),
      ),
    );
    return new CrossCaches(model, lengths, longest, tensors);
  }
}

/** New tensors (B, H, L, D) of pieces of others. @throws OutOfMemoryError if the GPU cannot bind as much. */
function copied(
  model: GpuModel,
  [B, L]: readonly [number, number],
  names: Iterable<string>,
  piecesOf: (name: string) => readonly Piece[],
): Map<string, Tensor> {
  const { device, ort } = model.runtime;
  const { attention_heads: H, embed_dim } = model.architecture.decoder;
  const D = embed_dim / H;
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const size = Math.max(4, 4 * B * H * L * D);
  const most = device.limits.maxStorageBufferBindingSize;
  if (size > most) {
    const problem = `${B} sentences of up to ${L} tokens take ${size} bytes, a binding at most ${most}`;
    const remedy = "translate fewer or shorter sentences at a time";
    throw new OutOfMemoryError({ place: model.name, problem, remedy });
  }
  const commands = device.createCommandEncoder();
  const tensors = new Map<string, Tensor>();
  for (const name of names) {
    // New buffers hold zeros.
    const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    for (const { from, row, to, count } of piecesOf(name)) {
      commands.copyBufferToBuffer(from, 4 * row * D, buffer, 4 * to * D, 4 * count * D);
    }
    const dispose = (): void => buffer.destroy();
    const options = { dataType: "float32", dims: [B, H, L, D], dispose } as const;
    tensors.set(name, ort.Tensor.fromGpuBuffer(buffer, options));
  }
  device.queue.submit([commands.finish()]);
  return tensors;
}

function bufferOf(tensor: Tensor | undefined): GPUBuffer {
  if (tensor?.location !== "gpu-buffer") throw new Error("a source's keys are not on the GPU");
  return tensor.gpuBuffer as GPUBuffer;
}
