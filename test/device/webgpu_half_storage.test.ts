// What the texts of kernels become where an operand is stored as f16, and that it computes.
import { expect, test } from "bun:test";
import type { Op } from "../../kernels/op.ts";
import { withHalfStorage } from "../../src/device/webgpu/half_storage.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { numberToHalf, roundToHalf } from "../../src/tensor/half.ts";
import { f16 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { openAs, webgpu } from "../support/webgpu.ts";

const declare = (names: readonly string[], type: string): string =>
  names
    .map((n, i) => `@group(0) @binding(${i}) var<storage, read_write> ${n}: array<${type}>;\n`)
    .join("");

test("withHalfStorage() converts loads, stores and what is both, and nothing else", () => {
  const code = `${declare(["x", "y"], "f32")}fn main() {
  let box = s.x[0];
  if (x[x2[1]] == y[2]) { y[u32(x[i + 1])] += x[3]; }
}`;
  const adapted = withHalfStorage("op", code, [0, 1], true);
  expect(adapted).toStartWith("enable f16;");
  expect(adapted).toContain("var<storage, read_write> x: array<f16>;");
  expect(adapted).toContain(`let box = s.x[0];
  if (halfLoad_x(x2[1]) == halfLoad_y(2)) { halfStore_y(u32(halfLoad_x(i + 1)), halfLoad_y(u32(halfLoad_x(i + 1))) + (halfLoad_x(3))); }`);
  const packed = withHalfStorage("op", code, [0, 1], false);
  expect(packed).not.toContain("f16;");
  // Only what is written needs atomics.
  expect(packed).toContain("x: array<u32>;");
  expect(packed).toContain("y: array<atomic<u32>>;");
});

test("withHalfStorage() leaves texts alone that hold halves themselves, and refuses a component", () => {
  const own = `enable f16;\n${declare(["x"], "f16")}fn main() { let a = x[0]; }`;
  expect(withHalfStorage("op", own, [0], true)).toBe(own);
  const component = `${declare(["x"], "vec4<f32>")}fn main() { x[0].y = 1.0; }`;
  expect(() => withHalfStorage("op", component, [0], true)).toThrow("a component of x is assigned");
});

test("numberToHalf() rounds to nearest, to even between two, to infinity beyond", () => {
  for (const [value, bits] of [
    [1, 0x3c00],
    [-2, 0xc000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 ** -25, 0],
    [2 ** -24, 1],
    [1.5 * 2 ** -24, 2],
    [2 ** -14 - 2 ** -25, 0x400],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    [Number.NaN, 0x7e00],
  ]) {
    expect(numberToHalf(value)).toBe(bits);
  }
});

/** y = 3 x, four elements at a time. */
const quads = {
  name: "quads",
  inPlace: [],
  webgpu: () => ({
    code: `${declare(["x", "y"], "vec4<f32>")}
@compute @workgroup_size(1) fn main() { for (var i = 0u; i < 3u; i++) { y[i] = 3.0 * x[i]; } }`,
    bindings: [{ input: 0 }, { output: 0 }],
    workgroups: [1, 1, 1],
  }),
} as unknown as Op<unknown>;

async function computesQuads(device: WebGpuDevice): Promise<void> {
  const [x, y] = [new Variable("x", f16(12)), new Variable("y", f16(12))];
  const values = Float32Array.from({ length: 12 }, (_, i) => roundToHalf((i - 6) * 1.1));
  device.write(x, values);
  const program = device.prepare({
    name: "quads",
    buffers: [x, y].map((variable) => ({ kind: "variable", bytes: 24, variable })),
    values: [0, 1].map((buffer) => ({ spec: f16(12), buffer, offset: 0 })),
    instructions: [{ op: quads, attributes: {}, inputs: [0], outputs: [1] }],
    inputs: [],
    outputs: [{ name: "y", value: 1 }],
  });
  const [result] = program.run([]);
  expect(await result.read()).toEqual(values.map((value) => roundToHalf(Math.fround(3 * value))));
  program.release();
}

if ("reason" in webgpu) test.skip(`f16 in quads (${webgpu.reason})`, () => {});
else {
  const device = webgpu;
  test("kernels over vec4<f32> read and write f16, native and packed", async () => {
    if (device.facts.f16) await computesQuads(device);
    const packed = await openAs({ f16: false });
    await computesQuads(packed);
    await packed.close();
  });
}
