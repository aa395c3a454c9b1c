// TFLOP/s of matrix products in the shapes of a Transformer: forward, gradients of inputs and of weights.
import { linearOp } from "../../kernels/matmul/linear.ts";
import { matmulOp } from "../../kernels/matmul/matmul.ts";
import {
  dispatchesOf,
  type GpuAnswer,
  type GpuCandidate,
  isGpuChoice,
  type Op,
} from "../../kernels/op.ts";
import type { Device } from "../device/device.ts";
import { timeCandidates } from "../device/webgpu/autotuner.ts";
import { WebGpuDevice } from "../device/webgpu/webgpu_device.ts";
import { compile } from "../engine/compile.ts";
import { assign, readVariable } from "../engine/trace.ts";
import type { TensorSpec } from "../tensor/shape.ts";
import { applyAll } from "../tensor/tensor.ts";
import { Variable } from "../tensor/variable.ts";

/** y = x W^T is (rows, in) x (out, in). */
export interface ProductSize {
  readonly rows: number;
  readonly input: number;
  readonly output: number;
}

export type Float = "f32" | "f16";

/** The kernel of an op that leaves no choice. */
export const ONLY = "only kernel";

/** Speed of one product by one kernel. */
export interface ProductSpeed extends ProductSize {
  readonly form: string;
  readonly dtype: Float;
  /** Name of the candidate, or ONLY. */
  readonly kernel: string;
  /** Whether it is the table's first, which serves where nothing is measured. */
  readonly isFirst: boolean;
  readonly microseconds: number;
  readonly teraflops: number;
}

interface Form {
  readonly name: string;
  readonly op: Op<unknown>;
  readonly attributes: unknown;
  /** Shapes of the operands. */
  operands(size: ProductSize): readonly (readonly [number, number])[];
}

const matmulForm = (name: string, transA: boolean, operands: Form["operands"]): Form => ({
  name,
  op: matmulOp as Op<unknown>,
  attributes: { transA, transB: false, merge: true },
  operands,
});

const FORMS: readonly Form[] = [
  {
    name: "forward",
    op: linearOp as Op<unknown>,
    attributes: { activation: "linear", keepPre: false },
    operands: ({ rows, input, output }) => [
      [rows, input],
      [output, input],
    ],
  },
  matmulForm("input gradient", false, ({ rows, input, output }) => [
    [rows, output],
    [output, input],
  ]),
  matmulForm("weight gradient", true, ({ rows, input, output }) => [
    [rows, output],
    [rows, input],
  ]),
];

/** Decoding multiplies few rows, and only forward. */
const FEW_ROWS = 16;

/** Every form and candidate of the given sizes. */
export async function* productSpeeds(
  device: Device,
  sizes: readonly ProductSize[],
  dtypes: readonly Float[],
): AsyncGenerator<ProductSpeed> {
  for (const size of sizes) {
    const flops = 2 * size.rows * size.input * size.output;
    for (const form of size.rows <= FEW_ROWS ? FORMS.slice(0, 1) : FORMS) {
      for (const dtype of dtypes) {
        const inputs = form.operands(size).map((shape): TensorSpec => ({ shape, dtype }));
        const times =
          device instanceof WebGpuDevice
            ? await timeOnGpu(device, form, inputs)
            : new Map([[ONLY, timeOnCpu(device, form, inputs)]]);
        const [first] = times.keys();
        for (const [kernel, microseconds] of times) {
          const teraflops = flops / microseconds / 1e6;
          const isFirst = kernel === first;
          const { name } = form;
          yield { ...size, form: name, dtype, kernel, isFirst, microseconds, teraflops };
        }
      }
    }
  }
}

async function timeOnGpu(
  device: WebGpuDevice,
  { op, attributes }: Form,
  inputs: readonly TensorSpec[],
): Promise<Map<string, number>> {
  const operands = { inputs, outputs: op.infer(attributes, inputs) };
  const answer = op.webgpu({ attributes, ...operands }, device.facts);
  return timeCandidates(device, { op: op.name, operands, candidates: candidatesOf(answer) });
}

const candidatesOf = (answer: GpuAnswer): readonly GpuCandidate[] =>
  isGpuChoice(answer)
    ? answer.candidates
    : [{ name: ONLY, dispatches: () => dispatchesOf(answer) }];

/** A measurement lasts at least so many milliseconds. */
const CPU_MILLISECONDS = 100;

/** The cpu device has come to an end when a run returns. */
function timeOnCpu(
  device: Device,
  { op, attributes }: Form,
  inputs: readonly TensorSpec[],
): number {
  const operands = inputs.map((spec, i) => new Variable(`operand ${i}`, spec));
  const [spec] = op.infer(attributes, inputs);
  const result = new Variable("product", spec);
  const run = compile(device, "product", () => {
    assign(result, applyAll(op, attributes, ...operands.map(readVariable))[0]);
    return {};
  });
  run({});
  const times: number[] = [];
  const end = performance.now() + CPU_MILLISECONDS;
  while (times.length < 3 || performance.now() < end) {
    const begun = performance.now();
    run({});
    times.push((performance.now() - begun) * 1000);
  }
  run.release();
  for (const variable of [...operands, result]) device.free(variable);
  return times.sort((a, b) => a - b)[times.length >> 1];
}
