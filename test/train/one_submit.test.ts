// What an update asks of a GPU once it is warm: one submit and one mapping, however many micro-batches it has,
// and the bits of runs that are sent one by one.
import { describe, expect, test } from "bun:test";
import type { Device } from "../../src/device/device.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { compile } from "../../src/engine/compile.ts";
import { assign } from "../../src/engine/trace.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import type { GlobalBatch } from "../../src/train/update_plan.ts";
import type { StartedUpdate, UpdateReport } from "../../src/train/update_report.ts";
import { countingDevice } from "../support/counting_gpu.ts";
import { toyBatch, toyTrainer } from "../support/toy_training.ts";
import { webgpu } from "../support/webgpu.ts";

/** Micro-batches of two shapes in turn. */
function batchOf(microBatches: number): GlobalBatch {
  const two = [toyBatch(1, 3, 5), toyBatch(2, 3, 5)];
  let next = 0;
  return {
    microBatches: Array.from({ length: microBatches }, (_, i) => two[i % 2].microBatches[0]),
    collate: (ids) => two[next++ % 2].collate(ids),
  };
}

/** Updates as training makes them: each is begun before the one before it is heard of. */
async function runAhead(trainer: Trainer, updates: number, microBatches: number) {
  const reports: UpdateReport[] = [];
  let before: StartedUpdate | undefined;
  for (let update = 0; update < updates; update++) {
    const started = await trainer.start(batchOf(microBatches), 1);
    if (before) reports.push(await before.report());
    before = started;
  }
  if (before) reports.push(await before.report());
  return reports;
}

async function oneByOne(trainer: Trainer, updates: number, microBatches: number) {
  const reports: UpdateReport[] = [];
  for (let update = 0; update < updates; update++) {
    reports.push(await trainer.update(batchOf(microBatches), 1));
  }
  return reports;
}

const parametersOf = async ({ options: { device, parameters } }: Trainer) =>
  await Promise.all(parameters.segments.map(({ values }) => device.read(values)));

function submitTests(own: WebGpuDevice): void {
  for (const [microBatches, submits] of [
    [1, 1],
    [4, 1],
    [12, 2],
  ]) {
    test(`an update of ${microBatches} micro-batches takes ${submits} submits and as many mappings`, async () => {
      const { device, counts } = countingDevice(own);
      const trainer = toyTrainer(device);
      await runAhead(trainer, 2, microBatches);
      counts.clear();
      await runAhead(trainer, 3, microBatches);
      expect(Object.fromEntries(counts)).toEqual({ submit: 3 * submits, mapAsync: 3 * submits });
      trainer.release();
    });
  }

  test("runs that are sent together, and heard of late, have the bits of runs sent one by one", async () => {
    const together = toyTrainer(own);
    const reports = await runAhead(together, 4, 3);
    const plain: Device = Object.create(own, { hold: { value: undefined }, send: {} });
    const alone = toyTrainer(plain);
    expect(alone.runsAhead).toBe(false);
    expect(await oneByOne(alone, 4, 3)).toEqual(reports);
    expect(await parametersOf(together)).toEqual(await parametersOf(alone));
    for (const trainer of [together, alone]) trainer.release();
  });

  test("a held run is sent before a variable is read, written or freed", async () => {
    const variable = new Variable("held", f32(1));
    const set = compile(own, "set", ({ x }) => {
      assign(variable, x);
      return {};
    });
    const hold = (value: number): void => {
      own.hold();
      set({ x: { data: Float32Array.of(value), shape: [1] } });
    };
    hold(1);
    own.write(variable, Float32Array.of(2));
    own.send();
    expect(await own.read(variable)).toEqual(Float32Array.of(2));
    hold(3);
    expect(await own.read(variable)).toEqual(Float32Array.of(3));
    hold(4);
    own.free(variable);
    expect(await own.read(variable)).toEqual(Float32Array.of(0));
    hold(5);
    set.release();
    expect(await own.read(variable)).toEqual(Float32Array.of(5));
    own.send();
    own.free(variable);
  });
}

const gpu = webgpu;
if ("reason" in gpu) test.skip(`submits of an update (${gpu.reason})`, () => {});
else describe("updates on webgpu", () => submitTests(gpu));
