// Products on a WebGPU device by a kernel of one's choice, held against float64.
import { expect } from "bun:test";
import { productWgsl } from "../../kernels/matmul/wgsl.ts";
import { type GpuCandidate, type GpuFacts, isGpuChoice, type Op } from "../../kernels/op.ts";
import type { Buffer, Value } from "../../src/device/program.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { roundToHalf } from "../../src/tensor/half.ts";
import { bytesOf, type DType, type TensorSpec } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { seededRandom } from "./random.ts";

export interface ProductCase {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch?: number;
}

export const FORMS = [
  { transA: false, transB: true },
  { transA: false, transB: false },
  { transA: true, transB: false },
  { transA: true, transB: true },
] as const;

export type Form = (typeof FORMS)[number];

/** What the operands are stored as. */
export type FloatType = Extract<DType, "f32" | "f16">;

/** relu(A B + bias), and the same before relu. */
function operandsOf(
  { M, N, K, batch = 1 }: ProductCase,
  { transA, transB }: Form,
  dtype: FloatType,
  seed: number,
) {
  const random = seededRandom(M * N * K + seed);
  const stored = (value: number) => (dtype === "f16" ? roundToHalf(value) : value);
  const normals = (size: number) =>
    Float32Array.from({ length: size }, () => stored(random.normal()));
  const [a, b, bias] = [normals(batch * M * K), normals(batch * K * N), normals(N)];
  const shape = {
    ...{ M, N, K, batch, transA, transB, accumulate: false, activation: "relu" as const },
    ...{ lda: transA ? M : K, ldb: transB ? K : N, ldc: N },
    strides: [M * K, K * N, M * N] as const,
  };
  const wanted = new Float64Array(batch * M * N);
  for (let at = 0; at < wanted.length; at++) {
    const [i, row, column] = [Math.floor(at / (M * N)), Math.floor(at / N) % M, at % N];
    let sum = bias[column];
    for (let k = 0; k < K; k++) {
      sum +=
        a[i * M * K + (transA ? k * M + row : row * K + k)] *
        b[i * K * N + (transB ? column * K + k : k * N + column)];
    }
    wanted[at] = sum;
  }
  return { shape, data: [a, b, bias], wanted };
}

const BINDINGS = {
  ...{ a: { input: 0 }, b: { input: 1 }, bias: { input: 2 } },
  ...{ c: { output: 0 }, pre: { output: 1 } },
} as const;

/** The kernels that the device's choice would have for this product. */
export function candidatesOf(
  { facts }: WebGpuDevice,
  one: ProductCase,
  form: Form,
  dtype: FloatType = "f32",
): readonly GpuCandidate[] {
  const { shape } = operandsOf(one, form, dtype, 0);
  const answer = productWgsl(shape, { ...BINDINGS, areHalves: dtype === "f16" }, facts);
  if (!isGpuChoice(answer)) throw new Error("too small for a choice");
  return answer.candidates;
}

export interface ProductOptions {
  /** What A, B, the bias and both results are stored as. Default f32. */
  readonly dtype?: FloatType;
  /** What the kernels are told of the adapter beside what is true of it. */
  readonly facts?: Partial<GpuFacts>;
  readonly seed?: number;
}

/** Largest error of a candidate, over both outputs; of halves, beyond what rounding a result costs. */
export async function errorOf(
  device: WebGpuDevice,
  one: ProductCase,
  form: Form,
  index: number,
  { dtype = "f32", facts = {}, seed = 0 }: ProductOptions = {},
): Promise<number> {
  const { shape, data, wanted } = operandsOf(one, form, dtype, seed);
  const op = {
    name: "product",
    webgpu: (_: unknown, own: GpuFacts) => {
      const bindings = { ...BINDINGS, areHalves: dtype === "f16" };
      const answer = productWgsl(shape, bindings, { ...own, ...facts });
      return isGpuChoice(answer) ? answer.candidates[index].dispatches() : answer;
    },
  };
  const size = wanted.length;
  const spec = (length: number): TensorSpec => ({ shape: [length], dtype });
  const inputs = data.map((host, i) => {
    const variable = new Variable(`operand ${i}`, spec(host.length));
    device.write(variable, host);
    return variable;
  });
  const temporary: Buffer = { kind: "temporary", bytes: bytesOf(spec(size)), first: 0, last: 1 };
  const values = [...data.map(({ length }) => length), size, size].map(
    (length, buffer): Value => ({ spec: spec(length), buffer, offset: 0 }),
  );
  const prepared = device.prepare({
    name: "product",
    buffers: [
      ...inputs.map(
        (variable): Buffer => ({ kind: "variable", bytes: bytesOf(variable.spec), variable }),
      ),
      temporary,
      { ...temporary },
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
  for (const variable of inputs) device.free(variable);
  expect(y).toHaveLength(size);
  const rounding = dtype === "f16" ? 2 ** -11 : 0;
  let worst = 0;
  for (const [at, value] of wanted.entries()) {
    const allowed = rounding * Math.abs(value);
    const error = Math.max(Math.abs(pre[at] - value), Math.abs(y[at] - Math.max(value, 0)));
    worst = Math.max(worst, error - allowed);
  }
  return worst;
}
