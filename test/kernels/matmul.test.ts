// Values and gradients are the op suite's work; here, what is special to products.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { linear, matmul, matmulOfRows } from "../../kernels/matmul/index.ts";
import { type ProductShape, productDispatch } from "../../kernels/matmul/split.ts";
import { read } from "../../src/engine/compile.ts";
import { constant } from "../../src/tensor/tensor.ts";
import { cpu, onEveryDevice } from "../support/devices.ts";
import { kernelsOn } from "../support/kernels_module.ts";

const A = 1 << 20;
const B = A + (4 << 20);
const C = B + (4 << 20);
const SCRATCH = C + (1 << 20);

const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536, shared: true });
const kernels = kernelsOn(memory);
const floats = new Float32Array(memory.buffer);
for (let i = A / 4; i < C / 4; i++) floats[i] = Math.sin(i * 1.7);

/** C as the kernel leaves it when its work is cut at these fractions. */
function product(shape: ProductShape, threads: number, cuts: readonly number[]): Float32Array {
  const size = shape.batch * shape.M * shape.N;
  floats.fill(0.5, C / 4, C / 4 + size);
  const operands = { a: A, b: B, c: C };
  const dispatch = productDispatch(shape, operands, { threads });
  const values = dispatch.arguments.map((argument) =>
    typeof argument === "number" ? argument : SCRATCH,
  );
  const places = [0, ...cuts.map((cut) => Math.floor(cut * dispatch.work)), dispatch.work];
  places.sort((a, b) => a - b);
  for (let i = 1; i < places.length; i++) {
    kernels[dispatch.kernel](...values, places[i - 1], places[i]);
  }
  return floats.slice(C / 4, C / 4 + size);
}

test("matmul_f32 gives the same bits however its work is split", () => {
  const shapes = fc.record({
    transA: fc.boolean(),
    transB: fc.boolean(),
    M: fc.integer({ min: 1, max: 70 }),
    N: fc.integer({ min: 1, max: 70 }),
    K: fc.integer({ min: 0, max: 300 }),
    batch: fc.integer({ min: 1, max: 3 }),
    accumulate: fc.boolean(),
  });
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });
  const threads = fc.integer({ min: 2, max: 9 });
  fc.assert(
    fc.property(shapes, threads, cuts, (given, count, places) => {
      const { transA, transB, M, N, K } = given;
      const shape: ProductShape = {
        ...given,
        ...{ lda: Math.max(1, transA ? M : K), ldb: Math.max(1, transB ? K : N), ldc: N },
        strides: [M * K, K * N, M * N],
        activation: "linear",
      };
      expect(product(shape, count, places)).toEqual(product(shape, 1, []));
    }),
    { numRuns: 150, seed: 3 },
  );
});

const ramp = (...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return constant(
    Float32Array.from({ length: size }, (_, i) => i),
    shape,
  );
};

onEveryDevice((device) => {
  test("matmul() broadcasts batch axes as NumPy does", async () => {
    const c = matmul(ramp(2, 1, 1, 2), ramp(3, 2, 1));
    expect(c.shape).toEqual([2, 3, 1, 1]);
    expect([...(await read(device, c))]).toEqual([1, 3, 5, 3, 13, 23]);
  });

  test("matmul() takes a vector on the left of a matrix", async () => {
    const c = matmul(ramp(2), ramp(2, 3));
    expect(c.shape).toEqual([3]);
    expect([...(await read(device, c))]).toEqual([3, 4, 5]);
  });
});

// WGSL lets max() drop a NaN; our own kernels must not.
test("linear() passes NaN and infinity on", async () => {
  const x = constant(Float32Array.of(Number.NaN, 1, Number.POSITIVE_INFINITY, 1), [2, 2]);
  expect([...(await read(cpu, linear(x, ramp(1, 2), undefined, "relu")))]).toEqual([
    Number.NaN,
    Number.NaN, // infinity times 0
  ]);
});

test("matmul() names both shapes when the inner sizes differ", () => {
  expect(() => matmul(ramp(8, 5), ramp(2, 4))).toThrow(
    "matmul: f32(8, 5) x f32(2, 4): inner sizes 5 and 2 differ",
  );
});

test("matmulOfRows() wants equally many rows", () => {
  expect(matmulOfRows(ramp(2, 3, 4), ramp(6, 5)).shape).toEqual([4, 5]);
  expect(() => matmulOfRows(ramp(2, 3, 4), ramp(7, 5))).toThrow("inner sizes 6 and 7 differ");
});

test("linear() refuses a bias of another length", () => {
  expect(() => linear(ramp(2, 3), ramp(4, 3), ramp(3))).toThrow("the bias must be f32(4)");
});
