// What one core of this machine does at most, to hold kernels against.
import { resolve } from "node:path";
import asc from "assemblyscript/asc";
import { openBlas } from "../../src/device/cpu/blas.ts";

/** The least milliseconds of `act` in a quarter of a second: other work on the machine only adds. */
export function timeOf(act: () => void): number {
  act();
  const times: number[] = [];
  const end = performance.now() + 250;
  while (times.length < 5 || performance.now() < end) {
    const began = performance.now();
    act();
    times.push(performance.now() - began);
  }
  return Math.min(...times);
}

/** GFLOP/s of independent f32x4 multiplications and additions in WebAssembly. */
export async function wasmPeak(): Promise<number> {
  const root = resolve(import.meta.dirname, "../..");
  const found: Uint8Array[] = [];
  const { error, stderr } = await asc.main(
    [
      ...["bench/support/peak.as.ts", "--baseDir", root, "--outFile", "out.wasm"],
      ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"],
    ],
    {
      writeFile(name, contents) {
        if (name === "out.wasm" && contents instanceof Uint8Array) found.push(contents);
      },
    },
  );
  if (error || found.length === 0) throw new Error(stderr.toString());
  const module = await WebAssembly.compile(found[0] as BufferSource);
  const { exports } = await WebAssembly.instantiate(module);
  const run = exports.multiply_add as (times: number) => number;
  const times = 1_000_000;
  return (96 * times) / timeOf(() => run(times)) / 1e6;
}

/** GFLOP/s of the system's BLAS on one thread, at a product that suits it; undefined without one. */
export async function blasPeak(): Promise<number | undefined> {
  const memory = new WebAssembly.Memory({ initial: 512, maximum: 65536, shared: true });
  const blas = await openBlas({}, memory);
  if ("reason" in blas) return undefined;
  const N = 1024;
  const [A, B, C] = [65536, 65536 + 4 * N * N, 65536 + 8 * N * N];
  new Float32Array(memory.buffer, A, 2 * N * N).fill(0.5);
  const product = () => blas.sgemm(false, true, N, N, N, A, N, B, N, 0, C, N);
  return (2 * N ** 3) / timeOf(product) / 1e6;
}

/** GB/s of copying, counted in and out, where so many bytes are touched again and again. */
export function copyPeak(bytes: number): number {
  const half = Math.max(4, Math.floor(bytes / 8));
  const [from, to] = [new Float32Array(half).fill(1), new Float32Array(half)];
  const repeats = Math.max(1, Math.floor(4e6 / bytes));
  const time = timeOf(() => {
    for (let i = 0; i < repeats; i++) to.set(from);
  });
  return (8 * half * repeats) / time / 1e6;
}
