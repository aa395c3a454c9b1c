import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GpuChoice, Op } from "../../kernels/op.ts";
import type { Program } from "../../src/device/program.ts";
import { findAdapter } from "../../src/device/webgpu/adapter.ts";
import { fastest } from "../../src/device/webgpu/autotuner.ts";
import { ChoiceFile } from "../../src/device/webgpu/choice_file.ts";
import { KernelChoices } from "../../src/device/webgpu/kernel_choices.ts";
import { isUnavailable } from "../../src/device/webgpu/provider.ts";
import { startWebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { webgpu } from "../support/webgpu.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-autotune-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** y = 1, written so many times over. The texts differ in nothing else. */
const text = (times: number): string => `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
  var sum = 0.0;
  for (var i = 0u; i < ${times}u; i++) { sum = fma(sum, y[0], 1.0); y[0] = 0.0; }
  y[0] = sum;
}`;

const choice = (...candidates: readonly [name: string, times: number][]): GpuChoice => ({
  shapeClass: "one",
  candidates: candidates.map(([name, times]) => ({
    name,
    dispatches: () => [{ code: text(times), bindings: [{ output: 0 }], workgroups: [1, 1, 1] }],
  })),
});

const slowFirst = choice(["slow", 200_000], ["quick", 10]);
const operands = { inputs: [], outputs: [f32(1)] };

const chosenOf = (choices: KernelChoices, answer: GpuChoice): string => {
  choices.dispatches("op", answer, operands);
  return Object.values(choices.record())[0];
};

test("KernelChoices takes the table's first, and leaves nothing open, where nothing is timed", () => {
  const choices = new KernelChoices(false);
  choices.load([["op of f32: one", { texts: "", chosen: "quick", microseconds: {} }]]);
  expect(chosenOf(choices, slowFirst)).toBe("slow");
  expect(choices.hasOpen).toBe(false);
});

test("KernelChoices follows what was measured, as long as the kernels are the same", () => {
  const measured = new KernelChoices(true);
  expect(chosenOf(measured, slowFirst)).toBe("slow");
  const [open] = measured.takeOpen();
  measured.settle(open.key, { texts: open.texts, chosen: "quick", microseconds: {} });
  expect(chosenOf(measured, slowFirst)).toBe("quick");

  const later = new KernelChoices(true);
  later.load(measured.entries());
  expect(chosenOf(later, choice(["quick", 10], ["slow", 200_000]))).toBe("quick");
  expect(later.hasOpen).toBe(false);

  const changed = new KernelChoices(true);
  changed.load(measured.entries());
  expect(chosenOf(changed, choice(["slow", 200_001], ["quick", 10]))).toBe("slow");
  expect(changed.hasOpen).toBe(true);
});

test("fastest() keeps the table's first unless another is clearly faster", () => {
  const times = (first: number, second: number) =>
    new Map([
      ["first", first],
      ["second", second],
    ]);
  expect(fastest(times(100, 99))).toBe("first");
  expect(fastest(times(100, 90))).toBe("second");
});

const device = webgpu;
if ("reason" in device) test.skip(`Autotuner (${device.reason})`, () => {});
else {
  test("ChoiceFile keeps adapters apart, adds to what is there and starts anew on a broken file", async () => {
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    const entry = { texts: "t", chosen: "a", microseconds: { a: 1 } };
    const file = new ChoiceFile(device.facts, folder);
    const other = new ChoiceFile({ ...device.facts, driver: "another" }, folder);
    expect(other.path).not.toBe(file.path);
    await file.write([["one", entry]], say);
    await file.write([["two", entry]], say);
    expect((await file.read(say)).map(([key]) => key)).toEqual(["one", "two"]);
    expect(await other.read(say)).toEqual([]);
    expect(said).toEqual([]);
    writeFileSync(file.path, "{}");
    expect(await file.read(say)).toEqual([]);
    expect(said[0]).toContain("made anew");
    rmSync(file.path);
  });

  test("Autotuner times the candidates, keeps what it found, and programs follow", async () => {
    const lines: string[] = [];
    const open = async () => {
      const found = await findAdapter({ name: "software" });
      if (isUnavailable(found)) return undefined;
      const options = {
        autotune: true,
        cacheFolder: folder,
        say: (line: string) => lines.push(line),
      };
      return startWebGpuDevice(found, options);
    };
    const tuned = await open();
    if (!tuned) return;
    const op = { name: "op", webgpu: () => slowFirst } as unknown as Op<unknown>;
    const program: Program = {
      name: "program",
      buffers: [{ kind: "temporary", bytes: 4, first: 0, last: 0 }],
      values: [{ spec: f32(1), buffer: 0, offset: 0 }],
      instructions: [{ op, attributes: {}, inputs: [], outputs: [0] }],
      inputs: [],
      outputs: [{ name: "y", value: 0 }],
    };
    const prepared = tuned.prepare(program);
    expect(Object.values(tuned.kernelRecord())).toEqual(["slow"]);
    await tuned.tune?.();
    expect(tuned.tune?.()).toBeUndefined();
    expect(await prepared.run([])[0].read()).toEqual(Float32Array.of(1));
    expect(tuned.kernelRecord()).toEqual({ "op of f32: one": "quick" });
    expect(lines.at(-1)).toContain("1 choices of kernels measured");
    expect(JSON.parse(readFileSync(tuned.autotuner?.path ?? "", "utf8")).choices).toMatchObject({
      "op of f32: one": { chosen: "quick" },
    });
    prepared.release();
    await tuned.close();

    const again = await open();
    again?.prepare(program).release();
    expect(again?.kernelRecord()).toEqual({ "op of f32: one": "quick" });
    expect(again?.tune?.()).toBeUndefined();
    await again?.close();
  }, 60_000);
}
