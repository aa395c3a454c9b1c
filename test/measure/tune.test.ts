import { expect, test } from "bun:test";
import type { Device } from "../../src/device/device.ts";
import { sentencesOf, tuneModel } from "../../src/measure/tune.ts";
import { createRegistries } from "../../src/registries.ts";
import { formatShape } from "../../src/tensor/shape.ts";
import { cpu } from "../support/devices.ts";

test("sentencesOf() meets every class of rows up to that of a whole batch", () => {
  expect(sentencesOf(5, 32)).toEqual([1, 3, 6, 12, 25, 32]);
  expect(sentencesOf(1, 6)).toEqual([1, 2, 4, 6]);
  expect(sentencesOf(5, 1)).toEqual([1]);
});

test("tuneModel() prepares what training and decoding will run, and gives all of it back", async () => {
  const prepared: string[] = [];
  let alive = 0;
  let tuned = 0;
  const device: Device = Object.create(cpu, {
    prepare: {
      value: (program: Parameters<Device["prepare"]>[0]) => {
        const tokens = program.inputs.find(({ name }) => name === "tokens" || name === "target");
        const shape = tokens && formatShape(program.values[tokens.value].spec.shape);
        prepared.push(shape === undefined ? program.name : `${program.name} ${shape}`);
        alive++;
        const made = cpu.prepare(program);
        const release = made.release.bind(made);
        made.release = () => {
          alive--;
          release();
        };
        return made;
      },
    },
    tune: { value: async () => void tuned++ },
  });
  const settings = { architecture: "transformer_tiny", vocabulary: 50, fp16: false };
  const work = { maxTokens: 16, beam: 2, batchSize: 3 };
  await tuneModel(device, createRegistries(), settings, work);
  for (const each of [
    "gradients (2, 8)",
    "validation (1, 16)",
    "decode step (1)",
    "decode step (6)",
  ]) {
    expect(prepared).toContain(each);
  }
  expect(alive).toBe(0);
  // Once for training, at each batch's beginning, and at the end.
  expect(tuned).toBe(1 + sentencesOf(2, 3).length + 1);
});
