// What the cpu device does for any program: memory that moves or is freed, threads that fail.
import { afterAll, expect, test } from "bun:test";
import { attention } from "../../kernels/attention/index.ts";
import { add, exp } from "../../kernels/elementwise/index.ts";
import { broadcastTo } from "../../kernels/movement/index.ts";
import type { Op } from "../../kernels/op.ts";
import { MAXIMUM_PAGES, PAGE_BYTES } from "../../kernels/pages.ts";
import { CONTROL } from "../../src/device/cpu/barrier.ts";
import { type CpuDevice, openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { readKernels } from "../../src/device/cpu/kernels_file.ts";
import { openThread, runProgram } from "../../src/device/cpu/team.ts";
import { compile, read } from "../../src/engine/compile.ts";
import { place } from "../../src/engine/placement.ts";
import { assign, readVariable } from "../../src/engine/trace.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { apply, constant, input, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { OutOfMemoryError } from "../../src/wasm/heap.ts";

const device = await openCpuDevice({ threads: 2, blas: "none" });
afterAll(() => device.close());

const zeros = (size: number) => ({ data: new Float32Array(size), shape: [size] });

/** x + exp(exp(0)), from temporaries as large as x. */
const throughTemporaries = (on: CpuDevice) =>
  compile(on, "through temporaries", ({ x }: { x: Tensor }) => ({ y: add(x, exp(exp(x))) }));

test("a program runs in memory of its own after another did not fit", async () => {
  const size = 100_000;
  const run = throughTemporaries(device);
  const first = await run({ x: zeros(size) }).y.read();
  const huge = compile(device, "huge", () => ({ y: broadcastTo(scalar(1), [1.2e9]) }));
  expect(() => huge.prepare({})).toThrow(OutOfMemoryError);
  // Takes the first place that is free: where the temporaries lay.
  const neighbour = new Variable("neighbour", f32(size));
  device.write(neighbour, new Float32Array(size).fill(7));
  expect(await run({ x: zeros(size) }).y.read()).toEqual(first);
  expect((await device.read(neighbour)).every((value) => value === 7)).toBe(true);
  run.release();
  device.free(neighbour);
});

test("prepare() gives everything back when a program does not fit", () => {
  const huge = compile(device, "huge", ({ x }: { x: Tensor }) => ({
    y: broadcastTo(x, [1100, 1_000_000]),
  }));
  const refusal = (): unknown => {
    try {
      huge.prepare({ x: f32(1, 1_000_000) });
    } catch (error) {
      return error;
    }
  };
  const first = refusal(); // says how much memory is in use
  expect(first).toBeInstanceOf(OutOfMemoryError);
  for (let i = 0; i < 50; i++) expect(refusal()).toEqual(first);
});

test("free() leaves nothing behind in the programs that name the variable", async () => {
  const total = new Variable("total", f32(1000));
  const count = compile(device, "count", () => {
    assign(total, add(readVariable(total), scalar(1)));
    return {};
  });
  count({});
  device.free(total);
  const neighbour = new Variable("neighbour", f32(1000));
  device.write(neighbour, new Float32Array(1000).fill(7));
  count({});
  expect((await device.read(neighbour))[0]).toBe(7);
  expect((await device.read(total))[0]).toBe(1);
  count.release();
  device.free(total);
  device.free(neighbour);
});

test("a program that was released does not run again", () => {
  const x = input("x", f32(2));
  const program = place({
    name: "double",
    inputs: new Map([["x", x]]),
    outputs: new Map([["y", add(x, x)]]),
    assignments: [],
  });
  const prepared = device.prepare(program);
  prepared.run([Float32Array.of(1, 2)]);
  prepared.release();
  prepared.release();
  expect(() => prepared.run([Float32Array.of(1, 2)])).toThrow("double runs after its release");
});

test("scratch is as large as programs want, and not there before", async () => {
  const fresh = await openCpuDevice({ threads: 2, blas: "none" });
  expect(fresh.memory().temporaries).toBe(0);
  const small = throughTemporaries(fresh);
  const [before] = await small({ x: zeros(1) }).y.read();
  // One head whose packed keys alone are 8.6 MB: with keys of zero, the mean of the values.
  const [S, E] = [2100, 1024];
  const wide = (rows: number, value: number) =>
    constant(new Float32Array(rows * E).fill(value), [1, rows, E]);
  const mean = await read(fresh, attention(wide(2, 1), wide(S, 0), wide(S, 3), { heads: 1 }));
  expect(mean.every((value) => Math.abs(value - 3) < 1e-4)).toBe(true);
  expect((await small({ x: zeros(1) }).y.read())[0]).toBe(before);
  await fresh.close();
});

test("an error names the thread whose kernel failed, and what it said", async () => {
  const broken = await openCpuDevice({ threads: 2, blas: "none" });
  // One unit of work falls to the last thread; there is no memory at this address yet.
  const op = {
    name: "out of bounds",
    infer: () => [f32(1)],
    cpu: () => ({ kernel: "movement_fill", arguments: [-4096, { f32: 0 }], work: 1 }),
  } as unknown as Op<unknown>;
  const run = compile(broken, "out of bounds", () => ({ y: apply(op, {}) }));
  expect(() => run({})).toThrow(/a kernel failed on thread 1: .*out of bounds/i);
  expect(() => run({})).toThrow(/a kernel failed on thread 1: .*out of bounds/i);
  await broken.close();
});

test("a thread forgets decoded programs that it has not run for long", async () => {
  const memory = new WebAssembly.Memory({ initial: 64, maximum: MAXIMUM_PAGES, shared: true });
  const setup = { thread: 0, threads: 1, memory, wasm: await readKernels(), control: PAGE_BYTES };
  const thread = await openThread({ ...setup, blas: undefined });
  // Programs of nothing but a header, one behind the other.
  for (let number = 1; number <= 2000; number++) {
    thread.control[CONTROL.address] = 2 * PAGE_BYTES + 8 * number;
    thread.control[CONTROL.words] = 2;
    thread.control[CONTROL.version] = number;
    runProgram(thread);
  }
  expect(thread.programs.size).toBe(512);
  expect([...thread.programs.values()].at(-1)?.version).toBe(2000);
});
