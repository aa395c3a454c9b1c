import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../src/config/user_error.ts";
import { writeSafetensors } from "../../src/interop/safetensors.ts";
import { toFloat32 } from "../../src/interop/stored_tensor.ts";
import { openCheckpoint, writeCheckpoint } from "../../src/train/checkpoint_file.ts";
import { stringifyRecord } from "../../src/train/checkpoint_record.ts";
import {
  duplicateFile,
  removeUnfinished,
  replaceFile,
} from "../../src/train/checkpoint_replace.ts";
import { sampleContent, sampleRecord, updateOf } from "./checkpoint_sample.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-checkpoint-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A path in a folder of its own. */
function fresh(name: string): string {
  mkdirSync(join(folder, name));
  return join(folder, name, "checkpoint_last.safetensors");
}

test("openCheckpoint() gives back what writeCheckpoint() was given", async () => {
  const path = fresh("round-trip");
  await writeCheckpoint(path, sampleContent(7));
  const file = openCheckpoint(path);
  expect(file.record).toEqual(sampleRecord(7));
  expect(Object.is(file.record.valid_value, -0)).toBe(true);
  expect(file.record.meters.gnorm).toBeNaN();
  expect([...file.parameters].sort()).toEqual(["decoder.w", "encoder.w"]);
  expect([...file.optimizerSlots]).toEqual(["exp_avg"]);
  expect(file.hasEma).toBe(true);
  expect(toFloat32(file.parameter("encoder.w"))[999]).toBe(7);
  expect(file.optimizerState("exp_avg_sq", "encoder.w")).toBeUndefined();
  expect(file.ema("decoder.w")).toBeUndefined();
  file.close();
  expect(updateOf(path)).toBe(7);
  expect(readdirSync(join(path, ".."))).toEqual(["checkpoint_last.safetensors"]);
});

test("writeCheckpoint() keeps the old file and says so when the disk is full", async () => {
  const path = fresh("full");
  await writeCheckpoint(path, sampleContent(1));
  const noSpace = () => Promise.reject(Object.assign(new Error("write"), { code: "ENOSPC" }));
  const content = sampleContent(2);
  const [first, second] = content.parameters;
  if (!first || !second) throw new Error("the sample has two parameters");
  const failing = { ...content, parameters: [first, { ...second, data: noSpace }] };
  await expect(writeCheckpoint(path, failing)).rejects.toThrow(
    `${path}: cannot be saved: the disk is full`,
  );
  await expect(writeCheckpoint(path, failing)).rejects.toThrow("--save-dir");
  await expect(writeCheckpoint(path, failing)).rejects.toBeInstanceOf(UserError);
  expect(updateOf(path)).toBe(1);
  expect(readdirSync(join(path, ".."))).toEqual(["checkpoint_last.safetensors"]);
});

test("writeCheckpoint() leaves nothing behind when its data fail for another reason", async () => {
  const path = fresh("failing");
  const content = sampleContent(1);
  const parameters = content.parameters.map((entry) => ({
    ...entry,
    data: () => Promise.reject(new Error("device lost")),
  }));
  await expect(writeCheckpoint(path, { ...content, parameters })).rejects.toThrow("device lost");
  expect(readdirSync(join(path, ".."))).toEqual([]);
});

test("writeCheckpoint() names a folder that does not exist, and a parameter it would confuse", async () => {
  await expect(
    writeCheckpoint(join(folder, "absent", "c.safetensors"), sampleContent(1)),
  ).rejects.toThrow("its folder does not exist");
  const content = sampleContent(1);
  const parameters = content.parameters.map((entry) => ({ ...entry, name: `ema.${entry.name}` }));
  await expect(writeCheckpoint(fresh("confused"), { ...content, parameters })).rejects.toThrow(
    "ema.encoder.w",
  );
});

test("openCheckpoint() refuses other versions, damaged records and bare tensors", async () => {
  const path = fresh("refused");
  const write = (metadata: Record<string, string>) =>
    replaceFile(path, (sink) => writeSafetensors(sink, [], metadata));
  const record = (change: object) => ({
    weft: JSON.stringify({ ...JSON.parse(stringifyRecord(sampleRecord(1))), ...change }),
  });
  for (const [metadata, problem] of [
    [{}, "no training record"],
    [{ weft: "{" }, "no JSON object"],
    [{ weft: "[]" }, "no JSON object"],
    [record({ schema_version: 99 }), "schema version 99, this weft reads 1"],
    [record({ schema_version: undefined }), "schema version undefined"],
    [record({ schema_version: "1" }), 'schema version "1"'],
    [record({ num_updates: -1 }), "damaged at num_updates"],
    [record({ best: {} }), "damaged at best"],
    [record({ surprise: 1 }), "surprise"],
  ] as const) {
    await write(metadata);
    expect(() => openCheckpoint(path)).toThrow(problem);
    expect(() => openCheckpoint(path)).toThrow(path);
    expect(() => openCheckpoint(path)).toThrow(UserError);
  }
});

test("a checkpoint is whole after kill -9 at any moment of saving", async () => {
  const path = fresh("killed");
  const program = join(import.meta.dirname, "checkpoint_sample.ts");
  const run = "Deno" in globalThis ? ["run", "-A", program, path] : [program, path];
  let last = 0;
  for (let round = 0; round < 8; round++) {
    rmSync(path, { force: true });
    const child = spawn(process.execPath, run, { stdio: "ignore" });
    const exited = new Promise((resolve) => child.on("exit", resolve));
    while (!existsSync(path)) await pause(1);
    await pause(round * 3.7);
    child.kill("SIGKILL");
    await exited;
    last = Math.max(last, updateOf(path));
  }
  expect(last).toBeGreaterThan(1); // or it was never killed while replacing
  await removeUnfinished(join(path, ".."));
  expect(readdirSync(join(path, ".."))).toEqual(["checkpoint_last.safetensors"]);
}, 30_000);

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("duplicateFile() gives the same bytes a second name, also over an older file", async () => {
  const path = fresh("names");
  const best = join(path, "..", "checkpoint_best.safetensors");
  await writeCheckpoint(path, sampleContent(3));
  writeFileSync(best, "older");
  await duplicateFile(path, best);
  await duplicateFile(path, best); // onto its own link
  expect(updateOf(best)).toBe(3);
  expect(statSync(best).ino).toBe(statSync(path).ino);
  await writeCheckpoint(path, sampleContent(4));
  expect([updateOf(path), updateOf(best)]).toEqual([4, 3]);
  expect(readdirSync(join(path, "..")).length).toBe(2);
});

test("removeUnfinished() removes what a killed save left and nothing else", async () => {
  const path = fresh("unfinished");
  writeFileSync(`${path}.tmp`, "half");
  writeFileSync(join(path, "..", "notes.tmp"), "mine");
  await removeUnfinished(join(path, ".."));
  await removeUnfinished(join(folder, "absent"));
  expect(readdirSync(join(path, ".."))).toEqual(["notes.tmp"]);
});
