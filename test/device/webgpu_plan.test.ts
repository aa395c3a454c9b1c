import { expect, test } from "bun:test";
import type { GpuDispatch, GpuFacts, Op } from "../../kernels/op.ts";
import type { Buffer, Program } from "../../src/device/program.ts";
import { bindRanges, needsCopy } from "../../src/device/webgpu/bind_ranges.ts";
import { KernelChoices } from "../../src/device/webgpu/kernel_choices.ts";
import { mergeBindings } from "../../src/device/webgpu/merge_bindings.ts";
import { ARENA, planProgram, STAND_INS } from "../../src/device/webgpu/plan.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";

const facts: GpuFacts = {
  f16: true,
  maxWorkgroupSize: 256,
  maxWorkgroupMemory: 16384,
  maxWorkgroupsPerDimension: 65535,
  subgroups: undefined,
  subgroupMatrix: undefined,
};

const code = `
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
fn main() { let v = vec2(a[0], b[0]); y[0] = v.y + b[1]; }`;

const choices = new KernelChoices(false);

/** A fake op with one dispatch per entry; only its webgpu rule is asked. */
const fakeOp = (name: string, ...dispatches: Partial<GpuDispatch>[]): Op<unknown> =>
  ({
    name,
    webgpu: () =>
      dispatches.map((dispatch) => ({
        code,
        bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
        workgroups: [1, 1, 1],
        ...dispatch,
      })),
  }) as unknown as Op<unknown>;

test("mergeBindings() gives one name to bindings that are one memory, and leaves members alone", () => {
  const merged = mergeBindings("add", code, new Map([[1, 0]]));
  expect(merged).not.toContain("@binding(1)");
  expect(merged).toContain("let v = vec2(a[0], a[0]); y[0] = v.y + a[1];");
});

test("mergeBindings() keeps the member of a vector that is named like a merged binding", () => {
  const merged = mergeBindings("add", code, new Map([[2, 0]]));
  expect(merged).toContain("a[0] = v.y + b[1];");
});

test("mergeBindings() refuses bindings of different element types", () => {
  const mixed = code.replace("y: array<f32>", "y: array<vec4<f32>>");
  expect(() => mergeBindings("add", mixed, new Map([[2, 0]]))).toThrow("add: bindings 2 and 0");
});

test("bindRanges() binds the same memory once, as long as its longest operand", () => {
  const range = (offset: number, size: number) => ({ place: 0, offset, size });
  const { bound, same } = bindRanges("op", [range(0, 8), range(256, 8), range(0, 16)]);
  expect(bound).toEqual([range(0, 16), range(256, 8), undefined]);
  expect([...same]).toEqual([[2, 0]]);
});

test("needsCopy() finds operands that are not aligned or overlap another", () => {
  const range = (place: number, offset: number) => ({ place, offset, size: 512 });
  expect(needsCopy([range(0, 4), range(0, 1024), range(0, 1280), range(1, 256)], 256)).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

test("planProgram() lets temporaries share memory when they are never alive together", () => {
  const temporary = (first: number, last: number): Buffer => ({
    kind: "temporary",
    bytes: 4096,
    first,
    last,
  });
  const op = fakeOp("op", { bindings: [{ input: 0 }, { output: 0 }] });
  const value = (buffer: number) => ({ spec: f32(1024), buffer, offset: 0 });
  const program: Program = {
    name: "chain",
    buffers: [temporary(0, 1), temporary(1, 2), temporary(2, 3)],
    values: [value(0), value(1), value(2)],
    instructions: [
      { op: fakeOp("op", { bindings: [{ output: 0 }] }), attributes: {}, inputs: [], outputs: [0] },
      { op, attributes: {}, inputs: [0], outputs: [1] },
      { op, attributes: {}, inputs: [1], outputs: [2] },
    ],
    inputs: [],
    outputs: [{ name: "y", value: 2 }],
  };
  const plan = planProgram(program, facts, 256, choices);
  expect(plan.arenaBytes).toBe(8192);
  expect(plan.ranges[0]).toEqual({ place: ARENA, offset: 0, size: 4096 });
  expect(plan.ranges[2].offset).toBe(plan.ranges[0].offset);
});

test("planProgram() copies an operand aside that lies where no binding may begin", () => {
  const variable = new Variable("flat", f32(256));
  const program: Program = {
    name: "views",
    buffers: [{ kind: "variable", bytes: 1024, variable }],
    values: [
      { spec: f32(8), buffer: 0, offset: 0 },
      { spec: f32(8), buffer: 0, offset: 36 },
      { spec: f32(8), buffer: 0, offset: 512 },
    ],
    instructions: [{ op: fakeOp("add", {}), attributes: {}, inputs: [0, 1], outputs: [2] }],
    inputs: [],
    outputs: [],
  };
  const { steps } = planProgram(program, facts, 256, choices);
  expect(steps.map(({ kind }) => kind)).toEqual(["copy", "dispatch"]);
  expect(steps[0]).toEqual({
    kind: "copy",
    source: { place: 0, offset: 36, size: 32 },
    target: { place: STAND_INS, offset: 0, size: 32 },
  });
});

test("planProgram() gives what dispatches share its own memory, and numbers their own place", () => {
  const params = Uint32Array.of(1, 2, 3, 4);
  const bindings = [{ output: 0 }, { shared: "partial", bytes: 1000 }] as const;
  const op = fakeOp("sum", { bindings, params }, { bindings, params: Uint32Array.of(5, 6, 7, 8) });
  const program: Program = {
    name: "shared",
    buffers: [{ kind: "temporary", bytes: 4, first: 0, last: 1 }],
    values: [{ spec: f32(), buffer: 0, offset: 0 }],
    instructions: [{ op, attributes: {}, inputs: [], outputs: [0] }],
    inputs: [],
    outputs: [],
  };
  const plan = planProgram(program, facts, 256, choices);
  const [first, second] = plan.steps.flatMap((step) => (step.kind === "dispatch" ? [step] : []));
  expect(first.bound[1]).toEqual(second.bound[1]);
  expect(first.bound[1]?.offset).not.toBe(first.bound[0]?.offset);
  expect(second.params).toEqual({ offset: 256, size: 16 });
  expect([...new Uint32Array(plan.params.buffer, 256, 4)]).toEqual([5, 6, 7, 8]);
});

test("planProgram() leaves a copy out when it would copy memory onto itself", () => {
  const bindings = [{ input: 0 }, { output: 0 }] as const;
  const op = fakeOp("cache_store", { bindings, copies: true }, { bindings });
  const value = (buffer: number) => ({ spec: f32(8), buffer, offset: 0 });
  const temporary: Buffer = { kind: "temporary", bytes: 32, first: 0, last: 1 };
  const steps = (target: number) =>
    planProgram(
      {
        name: "caches",
        buffers: [temporary, temporary],
        values: [value(0), value(target)],
        instructions: [{ op, attributes: {}, inputs: [0], outputs: [1] }],
        inputs: [],
        outputs: [],
      },
      facts,
      256,
      choices,
    ).steps;
  expect(steps(1)).toHaveLength(2);
  expect(steps(0)).toHaveLength(1);
});

test("planProgram() runs nothing for results without elements", () => {
  const program: Program = {
    name: "empty",
    buffers: [{ kind: "temporary", bytes: 0, first: 0, last: 1 }],
    values: [{ spec: f32(0, 8), buffer: 0, offset: 0 }],
    instructions: [{ op: fakeOp("op", {}), attributes: {}, inputs: [], outputs: [0] }],
    inputs: [],
    outputs: [],
  };
  expect(planProgram(program, facts, 256, choices).steps).toEqual([]);
});
