// GFLOP/s of matrix products by shape: our WASM kernel and BLAS as the cpu device runs them, beside the
// bare library on one thread and on two of its own. `bun bench/matmul.ts` prints a table in Markdown.
import { cpus } from "node:os";
import { linear, matmul, matmulOfRows } from "../kernels/matmul/index.ts";
import { type Blas, openBlas } from "../src/device/cpu/blas.ts";
import { useThreads } from "../src/device/cpu/blas_vendor.ts";
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import type { Device } from "../src/device/device.ts";
import { compile } from "../src/engine/compile.ts";
import { assign, readVariable as valueIn } from "../src/engine/trace.ts";
import { nativeRuntime } from "../src/native/native_runtime.ts";
import { f32 } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { Variable } from "../src/tensor/variable.ts";
import { median } from "./support/statistics.ts";

type Form = "forward" | "input gradient" | "weight gradient";

/** Rows are tokens: y = x W^T is (rows, in) x (out, in). */
interface Case {
  readonly form: Form;
  readonly rows: number;
  readonly input: number;
  readonly output: number;
}

const FORWARD: readonly (readonly [rows: number, input: number, output: number])[] = [
  [2000, 512, 512],
  [2000, 512, 2048],
  [2000, 2048, 512],
  [2000, 512, 6000],
  [800, 256, 1024],
  [200, 128, 128],
  [160, 512, 512],
  [40, 512, 2048],
  [20, 512, 512],
  [5, 512, 512],
  [1, 512, 512],
  [5, 512, 6000],
];

const cases: readonly Case[] = [
  ...FORWARD.map(([rows, input, output]) => ({ form: "forward" as const, rows, input, output })),
  { form: "input gradient", rows: 2000, input: 512, output: 2048 },
  { form: "input gradient", rows: 800, input: 256, output: 1024 },
  { form: "weight gradient", rows: 2000, input: 512, output: 2048 },
  { form: "weight gradient", rows: 800, input: 256, output: 1024 },
];

/** Rounds of ours and the library's own threads. */
const PAIRS = 5;

/** Products in one program, so that starting it weighs little. */
const REPEATS = 8;

const flops = ({ rows, input, output }: Case): number => 2 * rows * input * output;

/** GFLOP/s of `run`, which does `flops` operations, over about a quarter of a second. */
interface Rate {
  readonly median: number;
  /** What a machine with other work to do still shows. */
  readonly best: number;
}

function rate(flops: number, run: () => void): Rate {
  const warm = performance.now() + 150;
  while (performance.now() < warm) run();
  const rates: number[] = [];
  const end = performance.now() + 250;
  while (rates.length < 5 || performance.now() < end) {
    const began = performance.now();
    run();
    rates.push(flops / (performance.now() - began) / 1e6);
  }
  rates.sort((a, b) => a - b);
  return { median: rates[rates.length >> 1], best: rates[rates.length - 1] };
}

const wave = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i));

function deviceRate(device: Device, one: Case): Rate {
  const { form, rows, input, output } = one;
  const shapes = {
    x: [rows, input],
    weight: [output, input],
    y: [rows, output],
  } as const;
  const variable = (name: keyof typeof shapes): Variable => {
    const [height, width] = shapes[name];
    const made = new Variable(name, f32(height, width));
    device.write(made, wave(height * width));
    return made;
  };
  const product: Readonly<Record<Form, readonly [keyof typeof shapes, keyof typeof shapes]>> = {
    forward: ["x", "weight"],
    "input gradient": ["y", "weight"],
    "weight gradient": ["y", "x"],
  };
  const multiply: Readonly<Record<Form, (a: Tensor, b: Tensor) => Tensor>> = {
    forward: (a, b) => linear(a, b),
    "input gradient": (a, b) => matmul(a, b),
    "weight gradient": (a, b) => matmulOfRows(a, b),
  };
  const operands = product[form].map(variable);
  const results: Variable[] = [];
  const run = compile(device, "products", () => {
    for (let i = 0; i < REPEATS; i++) {
      const c = multiply[form](valueIn(operands[0]), valueIn(operands[1]));
      results[i] ??= new Variable(`c${i}`, c.spec);
      assign(results[i], c);
    }
    return {};
  });
  const result = rate(REPEATS * flops(one), () => run({}));
  run.release();
  for (const each of [...operands, ...results]) device.free(each);
  return result;
}

const library = process.env.WEFT_BLAS;
const memory = new WebAssembly.Memory({ initial: 4096, maximum: 65536, shared: true });
const raw = await openBlas({ library }, memory);
const runtime = await nativeRuntime();

/** The bare library, on so many threads of its own. */
function rawRate(blas: Blas, one: Case, threads: number): Rate {
  const { form, rows, input, output } = one;
  const [A, B, C] = [65536, 80 << 20, 160 << 20];
  for (const at of [A, B]) new Float32Array(memory.buffer, at, 16 << 20).fill(0.5);
  const { sgemm } = blas;
  const calls: Readonly<Record<Form, () => void>> = {
    forward: () => sgemm(false, true, rows, output, input, A, input, B, input, 0, C, output),
    "input gradient": () =>
      sgemm(false, false, rows, input, output, A, output, B, input, 0, C, input),
    "weight gradient": () =>
      sgemm(true, false, output, input, rows, A, output, B, input, 0, C, input),
  };
  const setThreads = (count: number) => {
    if ("reason" in runtime) return;
    useThreads(runtime.open(blas.path), blas.description.prefix, count);
  };
  setThreads(threads);
  const result = rate(REPEATS * flops(one), () => {
    for (let i = 0; i < REPEATS; i++) calls[form]();
  });
  setThreads(1);
  return result;
}

/** Ours and the library's own two threads in turn, since a machine's speed changes by the second: medians. */
function inTurn(
  device: Device,
  blas: Blas,
  one: Case,
): readonly [ours: Rate, theirs: Rate, ratio: number] {
  const ours: Rate[] = [];
  const theirs: Rate[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    ours.push(deviceRate(device, one));
    theirs.push(rawRate(blas, one, 2));
  }
  const ratios = ours.map((rate, pair) => rate.median / theirs[pair].median);
  return [joined(ours), joined(theirs), median(ratios)];
}

const joined = (rates: readonly Rate[]): Rate => ({
  median: median(rates.map((rate) => rate.median)),
  best: Math.max(...rates.map(({ best }) => best)),
});

const wasm1 = await openCpuDevice({ threads: 1, blas: "none" });
const wasm2 = await openCpuDevice({ threads: 2, blas: "none" });
const blas2 = "reason" in raw ? undefined : await openCpuDevice({ threads: 2, blas: library });

console.log(
  `${cpus()[0]?.model}, ${process.versions.bun ? `Bun ${process.versions.bun}` : "Deno"}`,
);
console.log(`BLAS: ${"reason" in raw ? raw.reason : raw.name}\n`);
console.log("GFLOP/s, median (best); the number behind each engine is that of its threads.\n");
console.log(
  "| product | rows | in | out | WASM 1 | WASM 2 | raw BLAS 1 | raw BLAS 2 | BLAS 2 | ratio |",
);
console.log("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
const cell = ({ median, best }: Rate): string => `${median.toFixed(0)} (${best.toFixed(0)})`;
for (const one of cases) {
  const rates = [wasm1, wasm2].map((device) => cell(deviceRate(device, one)));
  if (blas2 && !("reason" in raw)) {
    const [ours, theirs, ratio] = inTurn(blas2, raw, one);
    rates.push(...[rawRate(raw, one, 1), theirs, ours].map(cell), ratio.toFixed(2));
  }
  console.log(`| ${[one.form, one.rows, one.input, one.output, ...rates].join(" | ")} |`);
}
for (const device of [wasm1, wasm2, blas2]) await device?.close();
process.exit(0);
