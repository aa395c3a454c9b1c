import { expect, test } from "bun:test";
import fc from "fast-check";
import { matmul } from "../../kernels/matmul/index.ts";
import type { Sgemm } from "../../src/device/cpu/blas.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import {
  multiplyPanels,
  multiplyRows,
  PackedWeights,
} from "../../src/device/cpu/packed_weights.ts";
import { compile } from "../../src/engine/compile.ts";
import { readVariable } from "../../src/engine/trace.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { Heap } from "../../src/wasm/heap.ts";

const memory = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
const floats = new Float32Array(memory.buffer);

/** What a BLAS does, by plain loops over `floats`. */
const sgemm: Sgemm = (transA, transB, M, N, K, a, lda, b, ldb, beta, c, ldc) => {
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = beta * floats[c / 4 + m * ldc + n];
      for (let k = 0; k < K; k++) {
        const x = floats[a / 4 + (transA ? k * lda + m : m * lda + k)];
        sum += x * floats[b / 4 + (transB ? n * ldb + k : k * ldb + n)];
      }
      floats[c / 4 + m * ldc + n] = sum;
    }
  }
};

const sizes = fc.record({
  M: fc.integer({ min: 1, max: 170 }),
  N: fc.integer({ min: 1, max: 150 }),
  K: fc.constantFrom(1, 7, 390, 391, 600),
  padding: fc.integer({ min: 0, max: 3 }),
  cut: fc.double({ min: 0, max: 1, noNaN: true }),
});

test("products in panels and in pieces are the product, however they are shared out", () => {
  fc.assert(
    fc.property(sizes, ({ M, N, K, padding, cut }) => {
      const [lda, ldb, ldc] = [K + padding, K + padding, N + padding];
      const [A, B, C] = [4096, 4 * 2 ** 17, 4 * 2 ** 18];
      for (let i = 0; i < M * lda; i++) floats[A / 4 + i] = Math.sin(i);
      for (let i = 0; i < N * ldb; i++) floats[B / 4 + i] = Math.cos(3 * i);
      sgemm(false, true, M, N, K, A, lda, B, ldb, 0, C, ldc);
      const want = floats.slice(C / 4, C / 4 + M * ldc);
      const difference = () => {
        let largest = 0;
        for (let i = 0; i < M * ldc; i++) {
          if (i % ldc < N) largest = Math.max(largest, Math.abs(floats[C / 4 + i] - want[i]));
        }
        floats.fill(7, C / 4, C / 4 + M * ldc);
        return largest;
      };
      floats.fill(7, C / 4, C / 4 + M * ldc);
      multiplyRows(sgemm, M, N, K, [A, lda], [B, ldb], [C, ldc]);
      expect(difference()).toBeLessThan(1e-4);
      const heap = new Heap(2 ** 21, 2 ** 22, () => {}, { place: "", remedy: "" });
      const panels = new PackedWeights(heap, memory).take({ address: B, N, K, ld: ldb });
      const product = { a: A, lda, panels, c: C, ldc, N, K };
      const [m, n] = [Math.round(M * cut), Math.round(N * cut)];
      for (const rows of [
        [0, m],
        [m, M],
      ] as const) {
        for (const columns of [
          [0, n],
          [n, N],
        ] as const) {
          multiplyPanels(sgemm, product, rows, columns);
        }
      }
      expect(difference()).toBeLessThan(1e-4);
    }),
    { numRuns: 20 },
  );
});

test("a frozen weight that is written anew counts from then on, and its copy is given back", async () => {
  const device = await openCpuDevice({ threads: 1 });
  const weight = new Variable("weight", f32(70, 33));
  const product = compile(
    device,
    "product",
    ({ x }) => ({ y: matmul(x, readVariable(weight), { transB: true }) }),
    { frozen: new Set([weight]) },
  );
  const x = { data: new Float32Array(33).fill(1), shape: [1, 33] };
  device.write(weight, new Float32Array(70 * 33).fill(1));
  expect(await product({ x }).y.read()).toEqual(new Float32Array(70).fill(33));
  device.write(weight, new Float32Array(70 * 33).fill(2));
  expect(await product({ x }).y.read()).toEqual(new Float32Array(70).fill(66));
  product.release();
  device.write(weight, new Float32Array(70 * 33).fill(3));
  await device.close();
});
