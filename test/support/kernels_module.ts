// build/kernels.wasm without a device: for tests that call one kernel on memory of their own.
import { readFileSync } from "node:fs";

export type Kernels = Readonly<Record<string, (...values: number[]) => void>>;

/** Its exports on this memory; the BLAS that some of them call does nothing. */
export function kernelsOn(memory: WebAssembly.Memory): Kernels {
  const bytes = readFileSync(new URL("../../build/kernels.wasm", import.meta.url));
  const module = new WebAssembly.Module(bytes as BufferSource);
  const { exports } = new WebAssembly.Instance(module, { env: { memory, sgemm: () => {} } });
  return exports as Kernels;
}
