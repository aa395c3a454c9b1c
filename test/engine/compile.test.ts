import { expect, test } from "bun:test";
import { add, affine, exp, mul } from "../../kernels/elementwise/index.ts";
import { reshape } from "../../kernels/movement/index.ts";
import { sum } from "../../kernels/reduce/index.ts";
import { compile, read } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { place } from "../../src/engine/placement.ts";
import { assign, readVariable, withTrace } from "../../src/engine/trace.ts";
import { f32, ShapeError } from "../../src/tensor/shape.ts";
import { constant, input, type Tensor } from "../../src/tensor/tensor.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { cpu, onEveryDevice } from "../support/devices.ts";

const vector = (...values: number[]) => ({
  data: Float32Array.from(values),
  shape: [values.length],
});
const host = async (pending: { read(): Promise<ArrayLike<number>> }) =>
  Array.from(await pending.read());

onEveryDevice((device) => {
  test("compile() traces once per signature and replays", async () => {
    let traces = 0;
    const double = compile(device, "double", ({ x }: { x: Tensor }) => {
      traces++;
      return { y: affine(x, 2, 0) };
    });
    expect(await host(double({ x: vector(1, 2) }).y)).toEqual([2, 4]);
    expect(await host(double({ x: vector(3, 4) }).y)).toEqual([6, 8]);
    expect(traces).toBe(1);
    expect(await host(double({ x: vector(1, 2, 3) }).y)).toEqual([2, 4, 6]);
    expect(traces).toBe(2);
    expect(double.planCount()).toBe(2);
    double.release();
  });

  test("compile() forgets the plan that was unused for longest", async () => {
    let traces = 0;
    const same = compile(
      device,
      "same",
      ({ x }: { x: Tensor }) => {
        traces++;
        return { y: affine(x, 1, 0) };
      },
      { plans: 2 },
    );
    for (const size of [1, 2, 1, 3, 1, 2]) same({ x: vector(...new Array(size).fill(7)) });
    expect(same.planCount()).toBe(2);
    expect(traces).toBe(4); // 1, 2, 3, and 2 again, since 3 took its place
    same.release();
  });

  test("results stay readable after later runs", async () => {
    const double = compile(device, "double", ({ x }: { x: Tensor }) => ({ y: affine(x, 2, 0) }));
    const first = double({ x: vector(1) }).y;
    double({ x: vector(50) });
    expect(await host(first)).toEqual([2]);
    double.release();
  });

  test("a variable keeps what a compiled function assigned", async () => {
    const total = new Variable("total", f32(3));
    const accumulate = compile(device, "accumulate", ({ x }: { x: Tensor }) => {
      const before = readVariable(total);
      assign(total, add(before, x));
      return { before, after: readVariable(total) };
    });
    accumulate({ x: vector(1, 2, 3) });
    const { before, after } = accumulate({ x: vector(10, 10, 10) });
    expect(await host(before)).toEqual([1, 2, 3]);
    expect(await host(after)).toEqual([11, 12, 13]);
    expect(Array.from(await device.read(total))).toEqual([11, 12, 13]);
    accumulate.release();
    device.free(total);
  });

  test("views of one variable are parts of its storage", async () => {
    const whole = new Variable("whole", f32(128));
    const part = whole.view("part", [2, 2], 64);
    device.write(part, Float32Array.of(1, 2, 3, 4));
    const square = compile(device, "square", () => {
      const x = readVariable(part);
      assign(part, mul(x, x));
      return {};
    });
    square({});
    expect(Array.from((await device.read(whole)).slice(62, 70))).toEqual([0, 0, 1, 4, 9, 16, 0, 0]);
    square.release();
    device.free(whole);
  });

  test("gradient() adds up over every path from the loss", async () => {
    const run = compile(device, "paths", ({ x }: { x: Tensor }) => {
      // d/dx sum(x exp(x) + 3 x) = exp(x) (1 + x) + 3
      const loss = sum(add(mul(x, exp(x)), affine(x, 3, 0)));
      const [g] = gradient(loss, [x]);
      return { g };
    });
    const x = [0, 1, -2];
    const got = await host(run({ x: vector(...x) }).g);
    for (const [i, value] of x.entries())
      expect(got[i]).toBeCloseTo(Math.exp(value) * (1 + value) + 3, 5);
    run.release();
  });

  test("gradient() is zero for what the loss does not depend on", async () => {
    const run = compile(device, "unused", ({ x, y }: { x: Tensor; y: Tensor }) => {
      const [g] = gradient(sum(x), [y]);
      return { g };
    });
    expect(await host(run({ x: vector(1), y: vector(5, 6) }).g)).toEqual([0, 0]);
    run.release();
  });
});

onEveryDevice((device) => {
  test("assign() of a reshaped value keeps it while others overwrite what they can", async () => {
    const variable = new Variable("v", f32(2, 2));
    const run = compile(device, "alias", ({ x }: { x: Tensor }) => {
      const y = affine(x, 2, 0);
      assign(variable, reshape(y, [2, 2]));
      return { z: sum(affine(y, 100, 0)) };
    });
    expect(await host(run({ x: vector(1, 2, 3, 4) }).z)).toEqual([2000]);
    expect(await host({ read: () => device.read(variable) })).toEqual([2, 4, 6, 8]);
    run.release();
    device.free(variable);
  });

  test("assign() does not write over a smaller view that it broadcasts", async () => {
    const whole = new Variable("whole", f32(256));
    const row = whole.view("row", [2], 0);
    const rows = whole.view("rows", [3, 2], 0);
    device.write(row, Float32Array.of(10, 20));
    const run = compile(device, "broadcast", ({ x }: { x: Tensor }) => {
      assign(rows, add(readVariable(row), reshape(x, [3, 2])));
      return {};
    });
    run({ x: vector(1, 2, 3, 4, 5, 6) });
    expect(await host({ read: () => device.read(rows) })).toEqual([11, 22, 13, 24, 15, 26]);
    run.release();
    device.free(whole);
  });
});

test("place() keeps no array of zeros for what the loss does not depend on", () => {
  const x = input("x", f32(3));
  const weight = new Variable("weight", f32(1000, 1000));
  const { trace } = withTrace(() => {
    const [g] = gradient(sum(x), [readVariable(weight)]);
    assign(weight, g);
  });
  const { buffers } = place({
    name: "unused",
    inputs: new Map([["x", x]]),
    outputs: new Map(),
    assignments: trace.assignments(),
  });
  const constants = buffers.filter(({ kind }) => kind === "constant");
  expect(constants.reduce((bytes, buffer) => bytes + buffer.bytes, 0)).toBeLessThan(100);
});

test("readVariable() and assign() refuse a view of what was assigned before", () => {
  const whole = new Variable("whole", f32(128));
  const [left, right] = [whole.view("left", [64], 0), whole.view("right", [64], 64)];
  const assignLeft = () => assign(left, affine(readVariable(left), 2, 0));
  const trace = (after: () => void) => () => {
    withTrace(() => {
      assignLeft();
      after();
    });
  };
  expect(trace(() => assign(right, readVariable(right)))).not.toThrow();
  expect(trace(() => readVariable(whole))).toThrow(
    "readVariable: whole overlaps left, which was assigned in the same call",
  );
  expect(trace(() => assign(whole, constant(new Float32Array(128), [128])))).toThrow(
    "assign: whole overlaps left, which was assigned in the same call",
  );
});

test("read() evaluates a tensor outside any compiled function", async () => {
  const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
  expect(Array.from(await read(cpu, sum(x, { axis: 0 })))).toEqual([4, 6]);
});

test("ops refuse shapes that do not fit, naming the op and both shapes", () => {
  const a = constant(new Float32Array(6), [2, 3]);
  const b = constant(new Float32Array(4), [2, 2]);
  expect(() => add(a, b)).toThrow(ShapeError);
  expect(() => add(a, b)).toThrow(
    /add: f32\(2, 3\) x f32\(2, 2\): extents 3 and 2 do not broadcast/,
  );
});

test("assign() refuses another shape, and any place outside a compiled function", () => {
  const variable = new Variable("w", f32(2));
  expect(() => assign(variable, constant(new Float32Array(2), [2]))).toThrow(/outside a compiled/);
  expect(() => withTrace(() => assign(variable, constant(new Float32Array(3), [3])))).toThrow(
    /w is f32\(2\), not f32\(3\)/,
  );
});

test("place() lets elementwise chains share buffers that have no further use", () => {
  const x = input("x", f32(1000));
  const outputs = new Map([["y", exp(exp(exp(exp(x))))]]);
  const { buffers } = place({
    name: "chain",
    inputs: new Map([["x", x]]),
    outputs,
    assignments: [],
  });
  const temporaries = buffers.filter(({ kind }) => kind === "temporary");
  const alive = (at: number) =>
    temporaries.filter((b) => b.kind === "temporary" && b.first <= at && at <= b.last).length;
  for (let at = 0; at < 4; at++) expect(alive(at)).toBeLessThanOrEqual(2);
});

test("place() produces an assigned tensor in the variable itself when nobody reads the old value", () => {
  const variable = new Variable("v", f32(4));
  const x = input("x", f32(4));
  const { trace } = withTrace(() => assign(variable, exp(x)));
  const { instructions, values, buffers } = place({
    name: "in place",
    inputs: new Map([["x", x]]),
    outputs: new Map(),
    assignments: trace.assignments(),
  });
  expect(instructions.length).toBe(1);
  expect(buffers[values[instructions[0].outputs[0]].buffer].kind).toBe("variable");
});

test("place() copies when the old value is still needed", async () => {
  const variable = new Variable("v", f32(2));
  cpu.write(variable, Float32Array.of(1, 2));
  const run = compile(cpu, "late reader", () => {
    const old = readVariable(variable);
    assign(variable, exp(old));
    return { late: affine(reshape(old, [2, 1]), 10, 0) };
  });
  expect(await host(run({}).late)).toEqual([10, 20]);
  expect((await cpu.read(variable))[1]).toBeCloseTo(Math.exp(2), 5);
});
