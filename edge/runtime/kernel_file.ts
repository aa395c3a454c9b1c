/** The builds of kernels/quantised/module.as.ts. */
export type KernelFile = "quantised.wasm" | "quantised_relaxed.wasm";

/**
 * A module with one function, (x, y) -> i16x8.relaxed_dot_i8x16_i7x16_s(x, y): valid exactly where the engine
 * knows relaxed SIMD (WebAssembly 3.0, section "Vector Instructions": opcode 0xfd 0x112).
 */
const PROBE = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic number and version
  ...[0x01, 0x07, 0x01, 0x60, 0x02, 0x7b, 0x7b, 0x01, 0x7b], // type 0: (v128, v128) -> v128
  ...[0x03, 0x02, 0x01, 0x00], // function 0 has type 0
  ...[0x0a, 0x0b, 0x01, 0x09, 0x00, 0x20, 0x00, 0x20, 0x01, 0xfd, 0x92, 0x02, 0x0b], // its body
]);

/** Whether quantised_relaxed.wasm runs here; it computes the same numbers as quantised.wasm, faster. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(PROBE);

/** The faster build of those that run here. */
export const kernelFile = (): KernelFile =>
  hasRelaxedSimd() ? "quantised_relaxed.wasm" : "quantised.wasm";
