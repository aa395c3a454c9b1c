// A bundle's tensors on the GPU as its graphs want them: matrices of floats transposed, integers unsigned
// with a scale for each block.
import type { Tensor } from "onnxruntime-web/jspi";
import { UserError } from "../../../src/config/user_error.ts";
import type { Bundle } from "../../runtime/bundle.ts";
import type { TensorEntry } from "../../runtime/manifest.ts";
import { ShardReader } from "../shard_reader.ts";
import { transpose } from "../transpose.ts";
import { BLOCK } from "./gpu_layers.ts";
import type { GpuRuntime } from "./gpu_runtime.ts";

export class GpuWeights {
  private readonly buffers = new Map<number, GPUBuffer>();
  private readonly made = new Map<string, Tensor>();

  private constructor(
    private readonly runtime: GpuRuntime,
    private readonly bundle: Bundle,
    private readonly byName: ReadonlyMap<string, TensorEntry>,
  ) {}

  /**
   * Reads the tensors of these names and shapes; tied ones lie on the GPU once.
   *
   * @throws UserError for a file that is damaged, or a GPU that has no room.
   */
  static async load(
    bundle: Bundle,
    runtime: GpuRuntime,
    shapes: ReadonlyMap<string, readonly number[]>,
  ): Promise<GpuWeights> {
    const { tensors } = bundle.manifest;
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const weights = new GpuWeights(runtime, bundle, byName);
    const reader = new ShardReader(bundle);
    try {
      // In the order of the shards, so that each is read once.
      for (const tensor of [...tensors].sort((a, b) => a.offset - b.offset)) {
        const shape = shapes.get(tensor.name);
        if (shape !== undefined) await weights.place(tensor, shape, reader);
      }
      return weights;
    } catch (error) {
      weights.release();
      throw error;
    }
  }

  get tensors(): ReadonlyMap<string, Tensor> {
    return this.made;
  }

  get bytes(): number {
    return [...this.buffers.values()].reduce((sum, { size }) => sum + size, 0);
  }

  release(): void {
    for (const buffer of this.buffers.values()) buffer.destroy();
    this.buffers.clear();
    this.made.clear();
  }

  private async place(
    tensor: TensorEntry,
    shape: readonly number[],
    reader: ShardReader,
  ): Promise<void> {
    const buffer = this.buffers.get(tensor.offset) ?? (await this.read(tensor, reader));
    const dataType = tensor.dtype === "f32" ? "float32" : "uint8";
    const { Tensor } = this.runtime.ort;
    this.made.set(tensor.name, Tensor.fromGpuBuffer(buffer, { dataType, dims: shape }));
  }

  private async read(tensor: TensorEntry, reader: ShardReader): Promise<GPUBuffer> {
    const bytes = await this.numbers(tensor, reader);
    const { device } = this.runtime;
    const most = device.limits.maxStorageBufferBindingSize;
    if (bytes.byteLength > most) {
      throw this.tooLarge(
        `${tensor.name} has ${bytes.byteLength} bytes, a binding at most ${most}`,
      );
    }
    const { STORAGE, COPY_DST } = GPUBufferUsage;
    device.pushErrorScope("out-of-memory");
    const buffer = device.createBuffer({ size: bytes.byteLength, usage: STORAGE | COPY_DST });
    this.buffers.set(tensor.offset, buffer);
    const error = await device.popErrorScope();
    if (error) throw this.tooLarge(error.message);
    device.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  }

  private async numbers(
    tensor: TensorEntry,
    reader: ShardReader,
  ): Promise<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>> {
    const { name, dtype, shape, offset, bytes } = tensor;
    const read = await reader.bytes(offset, bytes);
    if (dtype === "i8") return read.map((number) => number ^ 128); // 128 stands for zero
    if (dtype === "i4") return paired(read);
    const floats = new Float32Array(read.buffer);
    // Shaders may take what is no number for one: ReLU makes 0 of it.
    const wrong = floats.find((number) => !Number.isFinite(number));
    if (wrong !== undefined) throw this.noNumber(name, wrong);
    const matrix = this.byName.get(name.replace(/_scale$/, ""));
    if (matrix && matrix !== tensor) return this.blockScales(matrix, floats, reader);
    if (shape.length === 1) return floats;
    const [rows, columns] = shape;
    const turned = new Float32Array(floats.length);
    transpose(floats, rows, columns, columns, turned);
    return turned;
  }

  /** A scale for each block of a row: the row's, times the block's step where there is one. */
  private async blockScales(
    { name, dtype, shape: [rows, columns] }: TensorEntry,
    scales: Float32Array,
    reader: ShardReader,
  ): Promise<Float32Array<ArrayBuffer>> {
    const blocks = Math.ceil(columns / BLOCK);
    const expanded = new Float32Array(rows * blocks);
    const step = dtype === "i4" ? this.byName.get(`${name}_step`) : undefined;
    const steps = step && (await reader.bytes(step.offset, step.bytes));
    for (let i = 0; i < expanded.length; i++) {
      expanded[i] = scales[Math.trunc(i / blocks)] * (steps?.[i] ?? 1);
    }
    return expanded;
  }

  private noNumber(name: string, number: number): UserError {
    return new UserError({
      place: this.bundle.place,
      problem: `${name} holds ${number}, which a GPU might not notice`,
      remedy: "export a checkpoint from before the training went wrong",
    });
  }

  private tooLarge(reason: string): UserError {
    return new UserError({
      place: this.bundle.place,
      problem: `does not fit on the GPU: ${reason}`,
      remedy: "export with --quantize int8 or int4, or choose the engine weft",
    });
  }
}

/** Blocks of 32 numbers of 4 bits: from halves in the low and the high nibbles to neighbours in one byte. */
function paired(nibbles: Uint8Array): Uint8Array<ArrayBuffer> {
  const pairs = new Uint8Array(nibbles.length);
  for (let block = 0; block < nibbles.length; block += BLOCK / 2) {
    for (let i = 0; i < BLOCK / 4; i++) {
      const [a, b] = [nibbles[block + 2 * i], nibbles[block + 2 * i + 1]];
      pairs[block + i] = (a & 15) | ((b & 15) << 4);
      pairs[block + BLOCK / 4 + i] = (a >> 4) | (b & 240);
    }
  }
  return pairs;
}
