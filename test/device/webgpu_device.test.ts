// What the WebGPU device does for any program, seen through small kernels written here.
import { describe, expect, test } from "bun:test";
import type { GpuDispatch, Op, OpSpec } from "../../kernels/op.ts";
import { UserError } from "../../src/config/user_error.ts";
import type { Buffer, HostArray, Program, Value } from "../../src/device/program.ts";
import type { Span } from "../../src/device/spans.ts";
import { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { f32, i32, sizeOf, type TensorSpec } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { webgpu } from "../support/webgpu.ts";

const gpuOp = (name: string, rule: (spec: OpSpec<unknown>) => GpuDispatch | GpuDispatch[]) =>
  ({ name, webgpu: rule }) as unknown as Op<unknown>;

/** y = expression of a[i] and b[i], element by element. */
const elementwise = (name: string, expression: string): Op<unknown> =>
  gpuOp(name, ({ outputs: [y] }) => ({
    code: `
@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: array<vec4<u32>, 1>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i < params[0].x) { y[i] = ${expression}; }
}`,
    bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
    params: Uint32Array.of(sizeOf(y.shape), 0, 0, 0),
    workgroups: [Math.ceil(sizeOf(y.shape) / 64), 1, 1],
  }));

const add = elementwise("add", "a[i] + b[i]");

/** Programs are usually placed by the engine; here, by hand. */
class ProgramBuilder {
  readonly buffers: Buffer[] = [];
  readonly values: Value[] = [];
  readonly instructions: Program["instructions"][number][] = [];
  readonly inputs: { name: string; value: number }[] = [];
  readonly outputs: { name: string; value: number }[] = [];

  value(spec: TensorSpec, buffer: Buffer, offset = 0): number {
    const number = this.buffers.push(buffer) - 1;
    return this.values.push({ spec, buffer: number, offset }) - 1;
  }
  input(spec: TensorSpec): number {
    const bytes = sizeOf(spec.shape) * 4;
    const value = this.value(spec, { kind: "input", bytes, name: `x${this.inputs.length}` });
    this.inputs.push({ name: `x${this.inputs.length}`, value });
    return value;
  }
  constant(data: HostArray): number {
    return this.value(f32(data.length), { kind: "constant", bytes: data.byteLength, data });
  }
  variable(variable: Variable): number {
    const { root } = variable;
    const known = this.buffers.findIndex((b) => b.kind === "variable" && b.variable === root);
    const buffer: Buffer = { kind: "variable", bytes: sizeOf(root.spec.shape) * 4, variable: root };
    if (known < 0) return this.value(variable.spec, buffer, variable.offset * 4);
    const value = { spec: variable.spec, buffer: known, offset: variable.offset * 4 };
    return this.values.push(value) - 1;
  }
  temporary(spec: TensorSpec): number {
    const bytes = sizeOf(spec.shape) * 4;
    return this.value(spec, { kind: "temporary", bytes, first: 0, last: 1000 });
  }
  apply(op: Op<unknown>, inputs: number[], ...outputs: number[]): this {
    this.instructions.push({ op, attributes: {}, inputs, outputs });
    return this;
  }
  output(value: number): this {
    this.outputs.push({ name: `y${this.outputs.length}`, value });
    return this;
  }
  get program(): Program {
    return { name: "test", ...this };
  }
}

function deviceTests(device: WebGpuDevice): void {
  const values = (count: number, first: number) =>
    Float32Array.from({ length: count }, (_, i) => first + i);

  test("run() computes from inputs, constants and variables, and reads back", async () => {
    const build = new ProgramBuilder();
    const weight = new Variable("weight", f32(100));
    device.write(weight, values(100, 1000));
    const sum = build.temporary(f32(100));
    const total = build.temporary(f32(100));
    build.apply(add, [build.input(f32(100)), build.constant(values(100, 7))], sum);
    build
      .apply(add, [sum, build.variable(weight)], total)
      .output(sum)
      .output(total);
    const prepared = device.prepare(build.program);
    const first = prepared.run([values(100, 0)]);
    const second = prepared.run([values(100, 50)]);
    const expected = (start: number) => values(100, 0).map((i) => 2 * i + start);
    expect(await first[0].read()).toEqual(expected(7));
    expect(await first[1].read()).toEqual(values(100, 0).map((i) => 3 * i + 1007));
    expect(await second[0].read()).toEqual(expected(57));
    prepared.release();
  });

  test("run() accepts inputs in shared memory and reads a result twice", async () => {
    const build = new ProgramBuilder();
    const [x, y] = [build.input(f32(3)), build.temporary(f32(3))];
    const prepared = device.prepare(build.apply(add, [x, x], y).output(y).program);
    const shared = new Float32Array(new SharedArrayBuffer(12));
    shared.set([1, 2, 3]);
    const [result] = prepared.run([shared]);
    expect(await result.read()).toEqual(Float32Array.of(2, 4, 6));
    expect(await result.read()).toEqual(Float32Array.of(2, 4, 6));
  });

  test("run() writes a result in place of its operand", async () => {
    const build = new ProgramBuilder();
    const moment = new Variable("moment", f32(5));
    const place = build.variable(moment);
    const prepared = device.prepare(
      build.apply(add, [place, build.input(f32(5))], build.variable(moment)).program,
    );
    for (let step = 0; step < 3; step++) prepared.run([values(5, step)]);
    expect(await device.read(moment)).toEqual(values(5, 0).map((i) => 3 * i + 3));
    device.free(moment);
  });

  test("run() works on views that begin where no binding may", async () => {
    const flat = new Variable("flat", f32(64));
    device.write(flat, values(64, 0));
    const [a, b, y] = [3, 11, 21].map((offset) => flat.view(`at ${offset}`, [8], offset));
    const build = new ProgramBuilder();
    build.apply(add, [build.variable(a), build.variable(b)], build.variable(y));
    device.prepare(build.program).run([]);
    expect(await device.read(y)).toEqual(values(8, 0).map((i) => 2 * i + 14));
    const rest = (await device.read(flat)).filter((_, i) => i < 21 || i >= 29);
    expect(rest).toEqual(values(64, 0).filter((_, i) => i < 21 || i >= 29));
    device.free(flat);
  });

  test("read() sees zeros in a fresh variable and integers as integers", async () => {
    const ids = new Variable("ids", i32(3));
    expect(await device.read(ids)).toEqual(new Int32Array(3));
    device.write(ids, Int32Array.of(-1, 2, 2 ** 30));
    expect(await device.read(ids)).toEqual(Int32Array.of(-1, 2, 2 ** 30));
    expect(() => device.write(ids, Float32Array.of(1, 2, 3))).toThrow("ids holds 3 i32");
    device.free(ids);
  });

  test("free() gives a variable's bytes back, and programs bind its new storage", async () => {
    const before = device.memory().variables;
    const weight = new Variable("weight", f32(1000));
    const build = new ProgramBuilder();
    const y = build.temporary(f32(1000));
    build.apply(add, [build.variable(weight), build.variable(weight)], y).output(y);
    const prepared = device.prepare(build.program);
    expect(device.memory().variables).toBe(before + 4000);
    device.free(weight);
    expect(device.memory().variables).toBe(before);
    device.write(weight, values(1000, 0));
    expect(await prepared.run([])[0].read()).toEqual(values(1000, 0).map((i) => 2 * i));
    device.free(weight);
  });

  test("run() still works after a larger program made the temporaries move", async () => {
    const program = (size: number) => {
      const build = new ProgramBuilder();
      const y = build.temporary(f32(size));
      const x = build.input(f32(size));
      return build.apply(add, [x, x], y).output(y).program;
    };
    const small = device.prepare(program(10));
    const large = device.prepare(program(device.memory().temporaries / 4 + 1000));
    expect(await small.run([values(10, 1)])[0].read()).toEqual(values(10, 1).map((x) => 2 * x));
    large.release();
  });

  test("prepare() refuses memory that the adapter does not offer, by name and size", () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = device.facts.limits;
    const program = (bytes: number) => {
      const build = new ProgramBuilder();
      const y = build.temporary(f32(bytes / 4));
      return build.apply(add, [y, y], y).output(y).program;
    };
    expect(() => device.prepare(program(maxBufferSize + 1025))).toThrow("maxBufferSize of");
    const unbindable = maxStorageBufferBindingSize + 4;
    if (unbindable < maxBufferSize / 4) {
      expect(() => device.prepare(program(unbindable))).toThrow("add (");
    }
  });

  test("run() computes nothing for empty results and reads them as empty", async () => {
    const build = new ProgramBuilder();
    const [x, y] = [build.input(f32(0, 4)), build.temporary(f32(0, 4))];
    const prepared = device.prepare(build.apply(add, [x, x], y).output(y).program);
    expect(await prepared.run([new Float32Array(0)])[0].read()).toEqual(new Float32Array(0));
  });

  test("bind groups are discarded when a program binds anew and when it is released", async () => {
    const discarded: unknown[] = [];
    const { provider } = device;
    const watched = new WebGpuDevice(device.gpu, device.facts, {
      ...provider,
      discard(remains) {
        discarded.push(...(remains.groups ?? []));
        provider.discard(remains);
      },
    });
    const build = new ProgramBuilder();
    const [x, y, z] = [build.input(f32(10)), ...[0, 1].map(() => build.temporary(f32(10)))];
    build.apply(add, [x, x], y).apply(add, [y, y], z).output(z);
    const prepared = watched.prepare(build.program);
    watched.reserveArena(watched.memory().temporaries + 1000);
    expect(await prepared.run([values(10, 1)])[0].read()).toEqual(values(10, 1).map((v) => 4 * v));
    expect(discarded).toHaveLength(2);
    prepared.release();
    prepared.release();
    expect(new Set(discarded).size).toBe(4);
    expect(() => prepared.run([values(10, 1)])).toThrow("test runs after its release");
  });

  test("run() refuses to time where the adapter has no timestamps", () => {
    const facts = { ...device.facts, timestamps: false };
    const untimed = new WebGpuDevice(device.gpu, facts, device.provider);
    const build = new ProgramBuilder();
    const [x, y] = [build.input(f32(2)), build.temporary(f32(2))];
    const prepared = untimed.prepare(build.apply(add, [x, x], y).output(y).program);
    expect(() => prepared.run([values(2, 0)], [])).toThrow(UserError);
    expect(() => prepared.run([values(2, 0)], [])).toThrow("--profile: ");
    prepared.release();
  });

  test("run() appends a span per dispatch where the adapter has timestamps", async () => {
    if (!device.facts.timestamps) return;
    const build = new ProgramBuilder();
    const [x, y, z] = [build.input(f32(4, 25)), ...[0, 1].map(() => build.temporary(f32(4, 25)))];
    build.apply(add, [x, x], y).apply(elementwise("mul", "a[i] * b[i]"), [y, y], z).output(z);
    const all: Span[] = [];
    const [result] = device.prepare(build.program).run([values(100, 0)], all);
    await result.read();
    const spans = all.filter(({ kind }) => kind === "gpu");
    expect(spans.map(({ name, detail }) => `${name} ${detail}`)).toEqual([
      "add (4, 25) (4, 25) -> (4, 25)",
      "mul (4, 25) (4, 25) -> (4, 25)",
    ]);
    expect(spans.every(({ duration }) => duration >= 0)).toBe(true);
    expect(spans[1].start).toBeGreaterThanOrEqual(spans[0].start + spans[0].duration);
  });
}

const device = webgpu;
if ("reason" in device) test.skip(`WebGpuDevice (${device.reason})`, () => {});
else describe("WebGpuDevice", () => deviceTests(device));
