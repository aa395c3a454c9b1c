import { expect, test } from "bun:test";
import fc from "fast-check";
import { examineLibrary, openBlas, openBlasFor } from "../../src/device/cpu/blas.ts";
import { coresFor, takeFittingCore } from "../../src/device/cpu/blas_core.ts";
import { candidates } from "../../src/device/cpu/blas_vendor.ts";
import type { NativeFunction, NativeRuntime } from "../../src/native/native_runtime.ts";

const newMemory = (): WebAssembly.Memory =>
  new WebAssembly.Memory({ initial: 4, maximum: 65536, shared: true });

const memory = newMemory();
const found = await openBlas({}, memory);
const present = !("reason" in found);

/** Runs where this machine has a BLAS; elsewhere it is listed as skipped. */
const blasTest = (name: string, run: () => Promise<void>): void => {
  if (present) test(name, run);
  else test.skip(`${name} (no BLAS here)`, run);
};

const product = fc.record({
  transA: fc.boolean(),
  transB: fc.boolean(),
  M: fc.integer({ min: 1, max: 33 }),
  N: fc.integer({ min: 1, max: 33 }),
  K: fc.integer({ min: 1, max: 33 }),
  padding: fc.integer({ min: 0, max: 3 }),
  beta: fc.constantFrom(0, 1),
});

blasTest("sgemm() equals a plain loop in all forms, also in a memory that has grown", async () => {
  if ("reason" in found) return;
  const blas = await openBlasFor(structuredClone(found.description), memory);
  memory.grow(8);
  const [A, B, C] = [65536, 3 * 65536, 5 * 65536];
  fc.assert(
    fc.property(product, ({ transA, transB, M, N, K, padding, beta }) => {
      const lda = (transA ? M : K) + padding;
      const ldb = (transB ? K : N) + padding;
      const ldc = N + padding;
      const a = new Float32Array(memory.buffer, A, 40 * 40).map((_, i) => Math.sin(i));
      const b = new Float32Array(memory.buffer, B, 40 * 40).map((_, i) => Math.cos(3 * i));
      const before = new Float32Array(40 * 40).map((_, i) => Math.sin(7 * i));
      const c = new Float32Array(memory.buffer, C, 40 * 40);
      new Float32Array(memory.buffer, A, a.length).set(a);
      new Float32Array(memory.buffer, B, b.length).set(b);
      c.set(before);
      blas.sgemm(transA, transB, M, N, K, A, lda, B, ldb, beta, C, ldc);
      const want = Float64Array.from(before);
      for (let m = 0; m < M; m++) {
        for (let n = 0; n < N; n++) {
          let sum = beta * before[m * ldc + n];
          for (let k = 0; k < K; k++) {
            sum += a[transA ? k * lda + m : m * lda + k] * b[transB ? n * ldb + k : k * ldb + n];
          }
          want[m * ldc + n] = sum;
        }
      }
      expect(want.every((value, at) => Math.abs(value - c[at]) < 1e-4)).toBe(true);
    }),
    { numRuns: 200, seed: 1 },
  );
});

blasTest("sgemm() takes addresses beyond 2 GiB, also as negative numbers", async () => {
  if ("reason" in found) return;
  const large = new WebAssembly.Memory({ initial: 32770, maximum: 65536, shared: true });
  const blas = await openBlasFor(found.description, large);
  const far = new Float32Array(large.buffer, 2 ** 31, 3);
  far.set([3, 5, 0]);
  blas.sgemm(false, false, 1, 1, 1, 2 ** 31, 1, 4 - 2 ** 31, 1, 0, 8 - 2 ** 31, 1);
  expect(far[2]).toBe(15);
});

test("openBlas() says that it was switched off", async () => {
  expect(await openBlas({ library: "none" }, memory)).toEqual({
    reason: "switched off with --blas none",
  });
});

test("openBlas() names a library that is not there, and how to get one", async () => {
  const library = "/nowhere/libblas.so";
  const { reason } = (await openBlas({ library, platform: "linux" }, memory)) as { reason: string };
  expect(reason).toMatch(/^\/nowhere\/libblas\.so: /);
  expect(reason).toContain("apt-get install libopenblas0-pthread");
});

test("openBlas() refuses a file that is no library", async () => {
  const answer = await openBlas({ library: import.meta.filename }, memory);
  expect("reason" in answer).toBe(true);
});

/** A runtime whose only library exports these functions; `multiply` gets the probe's memory. */
function runtimeWith(
  functions: Record<string, NativeFunction>,
  multiply?: (bytes: Uint8Array, values: number[]) => void,
): NativeRuntime {
  let bytes: Uint8Array = new Uint8Array(0);
  return {
    open: () => ({
      find: (name) =>
        name === "cblas_sgemm" && multiply
          ? (...values) => void multiply(bytes, values)
          : functions[name],
    }),
    addressOf(given) {
      bytes = new Uint8Array(given.buffer);
      return 0;
    },
  };
}

/** cblas_sgemm for what the probe asks: row-major, A transposed, alpha and beta 1. */
function multiply(bytes: Uint8Array, values: number[]): void {
  const [order, formA, formB, M, N, K, alpha, a, lda, b, ldb, beta, c, ldc] = values;
  expect([order, formA, formB, alpha, beta]).toEqual([101, 112, 111, 1, 1]);
  const x = new Float32Array(bytes.buffer);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        x[c / 4 + m * ldc + n] += x[a / 4 + k * lda + m] * x[b / 4 + k * ldb + n];
      }
    }
  }
}

test("examineLibrary() accepts a right product and holds the library to one thread", () => {
  const threads: number[] = [];
  const functions = {
    openblas_get_config: () => "OpenBLAS 9.9 DYNAMIC_ARCH",
    openblas_set_num_threads: (count: number) => void threads.push(count),
  };
  expect(examineLibrary(runtimeWith(functions, multiply), "libany.so")).toEqual({
    name: "OpenBLAS 9.9",
    path: "libany.so",
    prefix: "",
    smallKernels: false,
  });
  expect(threads).toEqual([1]);
});

test("examineLibrary() refuses a library whose product is wrong, or not a number", () => {
  const nothing = runtimeWith({}, () => {});
  expect(examineLibrary(nothing, "l")).toMatchObject({
    reason: expect.stringContaining("probe product came out wrong"),
  });
  const poisoned = runtimeWith({}, (bytes, values) => {
    multiply(bytes, values);
    new Float32Array(bytes.buffer)[values[12] / 4] = Number.NaN;
  });
  expect(examineLibrary(poisoned, "l")).toMatchObject({
    reason: expect.stringContaining("difference NaN"),
  });
});

test("examineLibrary() refuses what is no BLAS", () => {
  expect(examineLibrary(runtimeWith({}), "libz.so.1")).toEqual({
    reason: "no BLAS (it does not export cblas_sgemm)",
  });
});

test("examineLibrary() refuses builds with 64-bit integers by each sign they give", () => {
  const wide = { reason: expect.stringContaining("64-bit integers") };
  const suffixed = { scipy_cblas_sgemm64_: () => undefined };
  expect(examineLibrary(runtimeWith(suffixed), "l")).toMatchObject(wide);
  for (const sign of [
    { openblas_get_config: () => "OpenBLAS 0.3.21 USE64BITINT DYNAMIC_ARCH" },
    { bli_info_get_blas_int_type_size: () => 64n },
    { MKL_Set_Interface_Layer: () => 1 },
  ] as Record<string, NativeFunction>[]) {
    expect(examineLibrary(runtimeWith(sign, multiply), "l")).toMatchObject(wide);
  }
  const narrow = { bli_info_get_blas_int_type_size: () => 32n };
  expect(examineLibrary(runtimeWith(narrow, multiply), "l")).not.toMatchObject(wide);
});

test("an OpenBLAS that does not know the processor takes the kernels that fit its instructions", () => {
  const pick = ["setenv", "gotoblas_dynamic_quit", "gotoblas_dynamic_init", "unsetenv"];
  const all = ["open", "flock", ...pick, "close"];
  const none = ["open", "flock", "close"];
  const calls: string[] = [];
  const note = (name: string) => () => {
    calls.push(name);
    return 0;
  };
  /** `found` is what the library takes, time after time, when it is asked for another core. */
  const runtime = (core: string, found: readonly string[]): NativeRuntime => {
    const cores = [core, ...found];
    return runtimeWith({
      openblas_get_corename: () => cores[calls.filter((name) => name === pick[2]).length],
      ...Object.fromEntries(all.map((called) => [called, note(called)])),
    });
  };
  const take = (core: string, flags: string[], chosen = "", ...found: string[]) => {
    const each = runtime(core, found);
    takeFittingCore(each, each.open("l"), "", () => new Set(flags), chosen);
    return calls.splice(0);
  };
  expect(take("Prescott", ["avx", "avx2", "fma"], "", "Haswell")).toEqual(all);
  expect(take("Prescott", ["avx", "avx2", "fma"], "Haswell")).toEqual([]);
  expect(take("Prescott", ["sse3"])).toEqual(none);
  expect(take("Zen", ["avx", "avx2", "fma"])).toEqual(none);
  const wide = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "avx", "avx2", "fma"];
  expect(take("Zen", wide, "", "SkylakeX")).toEqual(all);
  expect(take("SkylakeX", wide)).toEqual(none);
  // A build that has no kernels for AVX-512 goes back to what it had, or on to the next best.
  const twice = ["open", "flock", ...pick, ...pick, "close"];
  expect(take("Zen", wide, "", "Prescott", "Zen")).toEqual(twice);
  expect(take("Prescott", wide, "", "Prescott", "Haswell")).toEqual(twice);
  const withoutAll = new Set(["avx", "avx2", "fma", "avx512f"]);
  expect(coresFor(withoutAll)).toEqual(["Haswell", "Sandybridge"]);
});

test("candidates() puts MKL first where the processor is Intel's, and last elsewhere", () => {
  const names = (isIntel: boolean) => candidates("linux", isIntel);
  expect(names(true)[0]).toStartWith("libmkl_rt");
  expect(names(false)[0]).toBe("libopenblas.so.0");
  expect([...names(true)].sort()).toEqual([...names(false)].sort());
});
