import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkpoint as checkpointSchema } from "../../src/config/schemas/checkpoint.ts";
import { writeCheckpoint } from "../../src/train/checkpoint_file.ts";
import { carryOut, checkpointNames } from "../../src/train/checkpoint_folder.ts";
import { planSave } from "../../src/train/checkpoint_policy.ts";
import { sampleContent, updateOf } from "./checkpoint_sample.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-folder-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const config = checkpointSchema.parse({ keep_last_epochs: 2, keep_best_checkpoints: 1 });

test("carryOut() writes once, shares the content, and removes what is not kept", async () => {
  const saveDir = join(folder, "made", "when needed");
  expect(await checkpointNames(saveDir)).toEqual([]);
  let best: number | undefined;
  let writes = 0;
  for (const [i, value] of [5, 3, 4].entries()) {
    const epoch = i + 1;
    const event = { epoch, updates: 10 * epoch, endOfEpoch: true, save: true, value };
    const plan = planSave(config, event, best, await checkpointNames(saveDir));
    best = plan.best;
    const done = await carryOut(saveDir, config, plan, true, (path) => {
      writes++;
      return writeCheckpoint(path, sampleContent(epoch, 10));
    });
    expect(done.written).toEqual(plan.write);
  }
  expect(writes).toBe(3);
  const updates = readdirSync(saveDir)
    .sort()
    .map((name) => [name, updateOf(join(saveDir, name))]);
  expect(updates).toEqual([
    ["checkpoint.best_loss_3.0000.safetensors", 2],
    ["checkpoint2.safetensors", 2],
    ["checkpoint3.safetensors", 3],
    ["checkpoint_best.safetensors", 2],
    ["checkpoint_last.safetensors", 3],
  ]);
});

test("carryOut() removes nothing when saving fails, and does nothing for an empty plan", async () => {
  const before = await checkpointNames(join(folder, "made", "when needed"));
  const plan = { write: ["checkpoint4.safetensors", "checkpoint_last.safetensors"], best: 3 };
  const fail = () => Promise.reject(new Error("no"));
  const saveDir = join(folder, "made", "when needed");
  await expect(carryOut(saveDir, config, plan, true, fail)).rejects.toThrow("no");
  await carryOut(saveDir, config, { write: [], best: 3 }, true, fail);
  expect(await checkpointNames(saveDir)).toEqual(before);
});
