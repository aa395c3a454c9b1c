// The kernels of the exchange (kernels/exchange), on a memory of the caller's.
import { readExchange } from "./exchange_file.ts";

/**
 * Addresses are bytes from the beginning of the memory, multiples of 4, payloads' too; n counts elements
 * and may be 0. Nothing checks that they lie inside what the caller owns. What each computes to the bit is
 * said in kernels/exchange.
 */
export interface ExchangeKernels {
  /** dst += src, both f32. */
  addF32(dst: number, src: number, n: number): void;
  /** dst (bf16) = src (f32) to the nearest, ties to even. NaN and infinity stay. */
  toBf16(dst: number, src: number, n: number): void;
  /** dst (f32) = src (bf16). */
  fromBf16(dst: number, src: number, n: number): void;
  /** dst (f32) += src (bf16). */
  addBf16(dst: number, src: number, n: number): void;
  /**
   * dst (int8Bytes(n) bytes) = src + residual in blocks with a scale each; residual = what that missed.
   * A block with a number that is not finite is NaN at the receiver, and leaves its residual alone.
   *
   * @param residual n f32; 0 for none.
   */
  toInt8(dst: number, src: number, residual: number, n: number): void;
  /** dst (f32) = src (int8Bytes(n) bytes). */
  fromInt8(dst: number, src: number, n: number): void;
  /** dst (f32) += src (int8Bytes(n) bytes). */
  addInt8(dst: number, src: number, n: number): void;
  /** 32 bits over any number of bytes: finds accidents, not forgeries. */
  checksum(address: number, bytes: number, seed: number): number;
}

/** Elements that share a scale in int8. */
const INT8_BLOCK = 256;

/** Bytes of n elements as int8: the scales of all blocks, then the integers. */
export function int8Bytes(n: number): number {
  return 4 * Math.ceil(n / INT8_BLOCK) + n;
}

type Kernel = (...numbers: readonly number[]) => number;

/**
 * @param memory shared, with a maximum of 4 GiB at most: the cpu device's, or one like it.
 * @throws Error if exchange.wasm was not built.
 */
export async function openExchangeKernels(memory: WebAssembly.Memory): Promise<ExchangeKernels> {
  const module = await WebAssembly.compile((await readExchange()) as BufferSource);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const kernel = (name: string): Kernel => {
    const found = exports[name];
    if (typeof found !== "function") throw new Error(`exchange.wasm has no ${name}`);
    return found as Kernel;
  };
  const checksum = kernel("checksum");
  return {
    addF32: kernel("add_f32"),
    toBf16: kernel("to_bf16"),
    fromBf16: kernel("from_bf16"),
    addBf16: kernel("add_bf16"),
    toInt8: kernel("to_int8"),
    fromInt8: kernel("from_int8"),
    addInt8: kernel("add_int8"),
    // WebAssembly's integers have no sign of their own: JavaScript reads them with one.
    checksum: (address, bytes, seed) => checksum(address, bytes, seed) >>> 0,
  };
}
