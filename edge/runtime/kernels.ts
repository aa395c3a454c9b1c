// The functions of kernels/quantised by type. Addresses and sizes are bytes from the start of the memory.
import { Heap } from "../../src/wasm/heap.ts";

type Address = number;

/** What the module exports; the meaning of each stands in kernels/quantised. */
interface KernelFunctions {
  quantise_rows(x: Address, q: Address, rows: Address, M: number, K: number): void;
  quantise_rows_i16(x: Address, q: Address, rows: Address, M: number, K: number): void;
  prepare_i8(w: Address, bytes: number): void;
  linear_f32(
    x: Address,
    w: Address,
    bias: Address,
    y: Address,
    scratch: Address,
    stepY: number,
    M: number,
    N: number,
    K: number,
    activation: number,
  ): void;
  linear_i8(
    q: Address,
    rows: Address,
    w: Address,
    ws: Address,
    bias: Address,
    y: Address,
    stepY: number,
    M: number,
    N: number,
    K: number,
    activation: number,
  ): void;
  linear_i4(
    q: Address,
    rows: Address,
    w: Address,
    steps: Address,
    ws: Address,
    bias: Address,
    y: Address,
    scratch: Address,
    stepY: number,
    M: number,
    N: number,
    K: number,
    activation: number,
  ): void;
  embed_f32(
    table: Address,
    row: number,
    factor: number,
    added: Address,
    out: Address,
    C: number,
  ): void;
  embed_i8(
    table: Address,
    scales: Address,
    row: number,
    factor: number,
    added: Address,
    out: Address,
    C: number,
  ): void;
  embed_i4(
    table: Address,
    steps: Address,
    scales: Address,
    row: number,
    factor: number,
    added: Address,
    out: Address,
    C: number,
  ): void;
  attend(
    q: Address,
    stepQ: number,
    places: Address,
    spans: Address,
    key: number,
    value: number,
    out: Address,
    weights: Address,
    scratch: Address,
    M: number,
    H: number,
    D: number,
    L: number,
    scale: number,
  ): void;
  layer_norm(
    x: Address,
    residual: Address,
    gain: Address,
    bias: Address,
    y: Address,
    sum: Address,
    scratch: Address,
    M: number,
    C: number,
    epsilon: number,
  ): void;
  add_rows(x: Address, y: Address, count: number): void;
  log_softmax(x: Address, M: number, V: number, scale: number): void;
  search_log_softmax_top_k(
    x: Address,
    bias: Address,
    values: Address,
    indices: Address,
    lse: Address,
    V: number,
    k: number,
    scale: number,
    start: number,
    end: number,
  ): void;
}

const PAGE_BYTES = 65536;
/** 4 GiB less a page: all that 32-bit addresses reach. */
const LIMIT = 2 ** 32 - PAGE_BYTES;

/** The kernels over a memory of their own. */
export class Kernels {
  private constructor(
    readonly run: KernelFunctions,
    private readonly memory: WebAssembly.Memory,
    readonly heap: Heap,
  ) {}

  /** @param limit most bytes that the memory may grow to. */
  static async open(module: WebAssembly.Module, limit = LIMIT): Promise<Kernels> {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: Math.ceil(limit / PAGE_BYTES) });
    const instance = await WebAssembly.instantiate(module, { env: { memory } });
    const grow = (end: number): void => {
      const missing = Math.ceil(end / PAGE_BYTES) - memory.buffer.byteLength / PAGE_BYTES;
      if (missing > 0) memory.grow(missing);
    };
    // The first page stays empty: address 0 means "no such operand" to kernels.
    const heap = new Heap(PAGE_BYTES, limit, grow, {
      place: "memory of the edge runtime",
      remedy: "lower the beam, the length of texts or the number of requests at a time",
    });
    const run = instance.exports as unknown as KernelFunctions;
    return new Kernels(run, memory, heap);
  }

  /** Bytes that the memory has grown to. */
  get bytes(): number {
    return this.memory.buffer.byteLength;
  }

  // Views hold until the memory next grows, so take them anew after anything that allocates.

  bytesAt(address: Address, count: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer, address, count);
  }

  floatsAt(address: Address, count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer, address, count);
  }

  integersAt(address: Address, count: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer, address, count);
  }
}
