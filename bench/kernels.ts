// The cpu device's kernels, one by one, on one thread, beside what a core of the machine does at most:
// products and attention in GFLOP/s beside independent SIMD multiplications and additions in WebAssembly
// (and the system's BLAS at its best), all others in GB/s beside copying as many bytes. A kernel's bytes are
// its operands and results, each counted once.
//
//   bun bench/kernels.ts [--only norm]
//
// Shapes are those of a training step of small: 64 sentences of 32 tokens, width 256 (1024 inside, 4 heads),
// vocabulary 6,000. Times are what --profile tells of the op, the least of some hundred runs; the peaks are
// measured anew before each kernel, and the highest counts.
import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { attention } from "../kernels/attention/index.ts";
import { add, cast, gelu, mul, relu, tanh } from "../kernels/elementwise/index.ts";
import { embedding } from "../kernels/embedding/index.ts";
import { labelSmoothedNll } from "../kernels/loss/index.ts";
import { linear, matmul } from "../kernels/matmul/index.ts";
import { permute } from "../kernels/movement/index.ts";
import { layerNorm, residualDropoutNorm } from "../kernels/norm/index.ts";
import { adam } from "../kernels/optimizer/index.ts";
import { dropout } from "../kernels/random/index.ts";
import { sum } from "../kernels/reduce/index.ts";
import { logSoftmax, softmax } from "../kernels/softmax/index.ts";
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import type { Device } from "../src/device/device.ts";
import type { Span } from "../src/device/spans.ts";
import { compile } from "../src/engine/compile.ts";
import { gradient } from "../src/engine/gradient.ts";
import { assign, readVariable } from "../src/engine/trace.ts";
import { sizeOf, type TensorSpec } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { Variable } from "../src/tensor/variable.ts";
import { blasPeak, copyPeak, wasmPeak } from "./support/peaks.ts";

const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });

const [B, T, C, F, V, HEADS] = [64, 32, 256, 1024, 6000, 4];
const N = B * T;
const PARAMETERS = 7_000_000;

interface Case {
  /** Whose kernels are timed. */
  readonly op: string;
  readonly shape: string;
  /** Shapes of f32 operands, by name; i32 ones are below V. */
  readonly f32: Readonly<Record<string, readonly number[]>>;
  readonly i32?: Readonly<Record<string, readonly number[]>>;
  build(operands: Readonly<Record<string, Tensor>>): readonly Tensor[];
  /** Moved, or done, by one call. */
  readonly bytes?: number;
  readonly flops?: number;
}

/** Gradients with respect to `wrt` where dy arrives at y. */
const backwards = (y: Tensor, dy: Tensor, wrt: readonly Tensor[]): readonly Tensor[] =>
  gradient(sum(mul(cast(y, "f32"), dy)), wrt);

const rows = [N, C] as const;
const sentences = [B, T, C] as const;
const perRow = (bytes: number): number => bytes * N * C;
const qkv = { q: sentences, k: sentences, v: sentences };
const heads = { heads: HEADS, causal: true };
const product = { shape: `${N} x ${C} -> ${F}`, flops: 2 * N * C * F };
const attended = 2 * B * T * T * C;

const cases: readonly Case[] = [
  {
    ...{ op: "linear", ...product, f32: { x: rows, weight: [F, C], bias: [F] } },
    build: ({ x, weight, bias }) => [linear(x, weight, bias)],
  },
  {
    ...{ op: "matmul", ...product, f32: { x: rows, weight: [C, F] } },
    build: ({ x, weight }) => [matmul(x, weight)],
  },
  {
    ...{ op: "attention", shape: `${B} x ${T} x ${C}, causal`, flops: 2 * attended, f32: qkv },
    build: ({ q, k, v }) => [attention(q, k, v, heads)],
  },
  {
    ...{ op: "attention_gradient", shape: `${B} x ${T} x ${C}, causal`, flops: 5 * attended },
    f32: { ...qkv, dy: sentences },
    build: ({ q, k, v, dy }) => backwards(attention(q, k, v, heads), dy, [q, k, v]),
  },
  {
    ...{ op: "add", shape: `${N} x ${C}`, bytes: perRow(12), f32: { x: rows, y: rows } },
    build: ({ x, y }) => [add(x, y)],
  },
  ...Object.entries({ relu, gelu, tanh }).map(
    ([op, act]): Case => ({
      ...{ op, shape: `${N} x ${C}`, bytes: perRow(8), f32: { x: rows } },
      build: ({ x }) => [act(x)],
    }),
  ),
  {
    ...{ op: "permute", shape: `${B} x ${T} x ${HEADS} x ${C / HEADS}`, bytes: perRow(8) },
    f32: { x: [B, T, HEADS, C / HEADS] },
    build: ({ x }) => [permute(x, [0, 2, 1, 3])],
  },
  {
    ...{ op: "sum", shape: `${N} x ${C}, over rows`, bytes: perRow(4), f32: { x: rows } },
    build: ({ x }) => [sum(x, { axis: 0 })],
  },
  {
    ...{ op: "softmax", shape: `${N} x ${V}`, bytes: 8 * N * V, f32: { x: [N, V] } },
    build: ({ x }) => [softmax(x)],
  },
  {
    ...{ op: "log_softmax", shape: `${N} x ${V}`, bytes: 8 * N * V, f32: { x: [N, V] } },
    build: ({ x }) => [logSoftmax(x)],
  },
  {
    ...{ op: "label_smoothed_nll", shape: `${N} x ${V}, with its gradient`, bytes: 8 * N * V },
    ...{ f32: { x: [N, V] }, i32: { target: [N] } },
    build: ({ x, target }) => {
      const options = { epsilon: 0.1, padding: 1, differentiate: true };
      const [loss] = labelSmoothedNll(x, target, options);
      return [loss, ...gradient(loss, [x])];
    },
  },
  {
    ...{ op: "layer_norm", shape: `${N} x ${C}`, bytes: perRow(8) },
    f32: { x: rows, gain: [C], bias: [C] },
    build: ({ x, gain, bias }) => [layerNorm(x, gain, bias)],
  },
  {
    ...{ op: "residual_dropout_norm", shape: `${N} x ${C}`, bytes: perRow(16) },
    ...{ f32: { x: rows, residual: rows, gain: [C], bias: [C] }, i32: { key: [4] } },
    build: ({ x, residual, gain, bias, key }) =>
      residualDropoutNorm(x, residual, gain, bias, 1e-5, { p: 0.1, stream: 1, key }),
  },
  {
    ...{ op: "norm_gradient", shape: `${N} x ${C}`, bytes: perRow(12) },
    f32: { x: rows, gain: [C], bias: [C], dy: rows },
    build: ({ x, gain, bias, dy }) => backwards(layerNorm(x, gain, bias), dy, [x, gain, bias]),
  },
  {
    ...{ op: "dropout", shape: `${N} x ${C}`, bytes: perRow(8) },
    ...{ f32: { x: rows }, i32: { key: [4] } },
    build: ({ x, key }) => [dropout(x, 0.1, key, 1)],
  },
  {
    ...{ op: "embedding", shape: `${N} of ${V} x ${C}`, bytes: perRow(8) },
    ...{ f32: { weight: [V, C] }, i32: { tokens: [B, T] } },
    build: ({ weight, tokens }) => [embedding(weight, tokens)],
  },
  {
    ...{ op: "embedding_gradient", shape: `${N} into ${V} x ${C}`, bytes: perRow(4) + 4 * V * C },
    ...{ f32: { weight: [V, C], dy: sentences }, i32: { tokens: [B, T] } },
    build: ({ weight, tokens, dy }) => backwards(embedding(weight, tokens), dy, [weight]),
  },
  {
    ...{ op: "adam", shape: `${PARAMETERS / 1e6} million parameters`, bytes: 28 * PARAMETERS },
    f32: {
      ...{ p: [PARAMETERS], g: [PARAMETERS], m: [PARAMETERS], v: [PARAMETERS] },
      ...{ scalars: [8], multiplier: [] },
    },
    build: ({ p, g, m, v, scalars, multiplier }) => adam(p, g, m, v, scalars, multiplier),
  },
];

/** Small numbers above zero, so that roots and variances are in order. */
const floats = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 0.5 + 0.4 * Math.sin(i));

/** Milliseconds of the op's kernels in a run. */
function measure(device: Device, { op, f32, i32 = {}, build }: Case): number {
  const operand = (name: string, spec: TensorSpec, data: Float32Array | Int32Array) => {
    const variable = new Variable(name, spec);
    device.write(variable, data);
    return variable;
  };
  const operands = new Map<string, Variable>();
  for (const [name, shape] of Object.entries(f32)) {
    operands.set(name, operand(name, { shape, dtype: "f32" }, floats(sizeOf(shape))));
  }
  for (const [name, shape] of Object.entries(i32)) {
    const tokens = Int32Array.from({ length: sizeOf(shape) }, (_, i) => 4 + ((i * 37) % (V - 4)));
    operands.set(name, operand(name, { shape, dtype: "i32" }, tokens));
  }
  const results: Variable[] = [];
  const run = compile(device, op, () => {
    const tensors = [...operands].map(([name, variable]) => [name, readVariable(variable)]);
    for (const [i, tensor] of build(Object.fromEntries(tensors)).entries()) {
      results[i] ??= new Variable(`result ${i}`, tensor.spec);
      assign(results[i], tensor);
    }
    return {};
  });
  const times: number[] = [];
  run({});
  const end = performance.now() + 400;
  while (times.length < 5 || performance.now() < end) {
    const spans: Span[] = [];
    run.spans = spans;
    run({});
    const own = spans.filter(({ name, kind }) => kind === "op" && name === op);
    if (own.length === 0) throw new Error(`no kernel of ${op} ran`);
    times.push(own.reduce((total, { duration }) => total + duration, 0) / 1000);
  }
  run.release();
  for (const variable of [...operands.values(), ...results]) device.free(variable);
  return Math.min(...times);
}

const devices = {
  WASM: await openCpuDevice({ threads: 1, blas: "none" }),
  BLAS: await openCpuDevice({ threads: 1 }),
};
let [simd, library] = [await wasmPeak(), await blasPeak()];
console.log(
  `${cpus()[0]?.model.trim()}, Bun ${process.versions.bun}; ${devices.BLAS.description}\n`,
);
console.log("| kernels of | shape | engine | ms | rate | at most | share |");
console.log("|---|---|---|--:|--:|--:|--:|");
for (const one of cases.filter(({ op }) => op.includes(values.only))) {
  for (const [engine, device] of Object.entries(devices)) {
    const { flops, bytes = 0 } = one;
    if (engine === "BLAS" && !(flops && library)) continue;
    if (flops && engine === "WASM") simd = Math.max(simd, await wasmPeak());
    if (flops && engine === "BLAS") library = Math.max(library ?? 0, (await blasPeak()) ?? 0);
    const milliseconds = measure(device, one);
    const most = flops ? (engine === "BLAS" ? (library ?? simd) : simd) : copyPeak(bytes);
    const rate = (flops ?? bytes) / milliseconds / 1e6;
    const unit = flops ? "GFLOP/s" : "GB/s";
    const cells = [milliseconds.toFixed(2), `${rate.toFixed(0)} ${unit}`, most.toFixed(0)];
    const share = `${((100 * rate) / most).toFixed(0)} %`;
    console.log(`| ${[one.op, one.shape, engine, ...cells, share].join(" | ")} |`);
  }
}
for (const device of Object.values(devices)) await device.close();
process.exit(0);
