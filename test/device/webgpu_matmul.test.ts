// Products large enough for every tile of the WebGPU kernels: the op suite's are mostly small.
import { describe, expect, test } from "bun:test";
import { productWgsl } from "../../kernels/matmul/wgsl.ts";
import type { Op } from "../../kernels/op.ts";
import type { Buffer, Value } from "../../src/device/program.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { f32, sizeOf } from "../../src/tensor/shape.ts";
import { seededRandom } from "../support/random.ts";
import { webgpu } from "../support/webgpu.ts";

interface Case {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly batch?: number;
}

/** One per tile and form, odd in every extent. */
const cases: Readonly<Record<string, Case>> = {
  "flat, few rows": { M: 11, N: 131, K: 77, transB: true },
  "tall, few columns": { M: 203, N: 9, K: 67, transA: true },
  "32 x 32, both turned": { M: 97, N: 70, K: 45, transA: true, transB: true },
  "32 x 32, batch": { M: 35, N: 66, K: 67, batch: 3 },
  "64 x 64": { M: 513, N: 450, K: 21 },
  "128 x 128": { M: 1030, N: 1025, K: 19, transB: true },
};

/** relu(A B + bias), and the same before relu. */
async function product(device: WebGpuDevice, { M, N, K, transA, transB, batch = 1 }: Case) {
  const random = seededRandom(M * N * K);
  const normals = (size: number) => Float32Array.from({ length: size }, () => random.normal());
  const [a, b, bias] = [normals(batch * M * K), normals(batch * K * N), normals(N)];
  const shape = {
    ...{ M, N, K, batch, accumulate: false, activation: "relu" as const },
    ...{ transA: Boolean(transA), transB: Boolean(transB) },
    ...{ lda: transA ? M : K, ldb: transB ? K : N, ldc: N },
    strides: [M * K, K * N, M * N] as const,
  };
  const bindings = {
    ...{ a: { input: 0 }, b: { input: 1 }, bias: { input: 2 } },
    ...{ c: { output: 0 }, pre: { output: 1 } },
  };
  const op = {
    name: "product",
    webgpu: (_: unknown, facts: WebGpuDevice["facts"]) => productWgsl(shape, bindings, facts),
  };
  const size = batch * M * N;
  const temporary: Buffer = { kind: "temporary", bytes: size * 4, first: 0, last: 1 };
  const data = [a, b, bias];
  const values = [...data.map(({ length }) => length), size, size].map(
    (length, buffer): Value => ({ spec: f32(length), buffer, offset: 0 }),
  );
  const prepared = device.prepare({
    name: "product",
    buffers: [
      ...data.map((host): Buffer => ({ kind: "constant", bytes: host.byteLength, data: host })),
      temporary,
      temporary,
    ],
    values,
    instructions: [
      { op: op as unknown as Op<unknown>, attributes: {}, inputs: [0, 1, 2], outputs: [3, 4] },
    ],
    inputs: [],
    outputs: [
      { name: "y", value: 3 },
      { name: "pre", value: 4 },
    ],
  });
  const [y, pre] = await Promise.all(prepared.run([]).map((result) => result.read()));
  prepared.release();
  const expected = (at: number): number => {
    const [i, row, column] = [Math.floor(at / (M * N)), Math.floor(at / N) % M, at % N];
    let sum = bias[column];
    for (let k = 0; k < K; k++) {
      sum +=
        a[i * M * K + (transA ? k * M + row : row * K + k)] *
        b[i * K * N + (transB ? column * K + k : k * N + column)];
    }
    return sum;
  };
  return { y, pre, expected, size: sizeOf([batch, M, N]) };
}

const device = webgpu;
if ("reason" in device) test.skip(`productWgsl() (${device.reason})`, () => {});
else {
  describe("productWgsl()", () => {
    for (const [name, sizes] of Object.entries(cases)) {
      test(`multiplies, adds the bias and activates in tiles: ${name}`, async () => {
        const { y, pre, expected, size } = await product(device, sizes);
        let worst = 0;
        for (let at = 0; at < size; at++) {
          const value = expected(at);
          worst = Math.max(worst, Math.abs(pre[at] - value), Math.abs(y[at] - Math.max(value, 0)));
        }
        expect(worst).toBeLessThan(1e-4);
      }, 60_000);
    }
  });
}
