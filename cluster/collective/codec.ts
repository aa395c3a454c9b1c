// How gradients are written on the wire, and what that costs in bytes and in memory.
import { crc32 } from "node:zlib";
import { CODEC, type DataHeader, type Wire } from "../wire/frame.ts";
import { type ExchangeKernels, int8Bytes, openExchangeKernels } from "./exchange_kernels.ts";

/** What the reduction needs of numbers in memory. */
export interface Arithmetic extends ExchangeKernels {
  copy(target: number, source: number, bytes: number): void;
  /**
   * 32 bits over any number of bytes, going on from those before: finds accidents, not forgeries. The CRC-32
   * of zlib, for which processors have instructions that WebAssembly lacks.
   */
  checksum(address: number, bytes: number, before: number): number;
  /** With zeros. */
  fill(target: number, bytes: number): void;
}

/** The kernels and copying, on one memory. */
export async function openArithmetic(memory: WebAssembly.Memory): Promise<Arithmetic> {
  const kernels = await openExchangeKernels(memory);
  return {
    ...kernels,
    copy: (target, source, bytes) =>
      new Uint8Array(memory.buffer).copyWithin(target, source, source + bytes),
    checksum: (address, bytes, before) =>
      crc32(new Uint8Array(memory.buffer, address, bytes), before),
    fill: (target, bytes) => new Uint8Array(memory.buffer, target, bytes).fill(0),
  };
}

export interface Codec {
  readonly id: DataHeader["codec"];
  /** Whether numbers travel as they lie in memory. */
  readonly isPlain: boolean;
  /** Whether what rounding loses is carried over to the next update. */
  readonly keepsResidual: boolean;
  bytes(elements: number): number;
  /** f32 at `source` to the wire; `residual` is where the f32 lie that rounding has lost so far. */
  encode(target: number, source: number, residual: number, elements: number): void;
  decode(target: number, source: number, elements: number): void;
  /** Adds what came over the wire to f32. */
  add(target: number, source: number, elements: number): void;
}

/** Bytes of so many elements on the wire, and what else that takes. */
export type CodecBytes = Pick<Codec, "isPlain" | "keepsResidual" | "bytes">;

export function codecBytes(wire: Wire): CodecBytes {
  switch (wire) {
    case "f32":
      return { isPlain: true, keepsResidual: false, bytes: (n) => 4 * n };
    case "bf16":
      return { isPlain: false, keepsResidual: false, bytes: (n) => 2 * n };
    case "int8":
      return { isPlain: false, keepsResidual: true, bytes: int8Bytes };
  }
}

/** The codec of a --wire. */
export function codecOf(wire: Wire, arithmetic: Arithmetic): Codec {
  switch (wire) {
    case "f32":
      return {
        ...codecBytes(wire),
        id: CODEC.f32,
        encode: (target, source, _, n) => arithmetic.copy(target, source, 4 * n),
        decode: (target, source, n) => arithmetic.copy(target, source, 4 * n),
        add: arithmetic.addF32,
      };
    case "bf16":
      return {
        ...codecBytes(wire),
        id: CODEC.bf16,
        encode: (target, source, _, n) => arithmetic.toBf16(target, source, n),
        decode: arithmetic.fromBf16,
        add: arithmetic.addBf16,
      };
    case "int8":
      return {
        ...codecBytes(wire),
        id: CODEC.int8,
        encode: arithmetic.toInt8,
        decode: arithmetic.fromInt8,
        add: arithmetic.addInt8,
      };
  }
}
