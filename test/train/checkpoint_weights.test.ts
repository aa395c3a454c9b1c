import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "../../src/interop/safetensors.ts";
import { writeCheckpoint } from "../../src/train/checkpoint_file.ts";
import { replaceFile } from "../../src/train/checkpoint_replace.ts";
import { loadWeights } from "../../src/train/checkpoint_weights.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";
import { sampleContent } from "./checkpoint_sample.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-weights-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("loadWeights() reads a checkpoint of weft's, and its averages when asked", async () => {
  const path = join(folder, "mine.pt"); // the content tells the format, not the name
  await writeCheckpoint(path, sampleContent(8));
  const loaded = loadWeights(path);
  expect([...loaded.tensors.keys()].sort()).toEqual(["decoder.w", "encoder.w"]);
  expect(loaded.tensors.get("encoder.w")?.data[5]).toBe(8);
  expect(loaded.record?.num_updates).toBe(8);
  const averaged = loadWeights(path, { ema: true });
  expect(averaged.tensors.get("encoder.w")?.data[5]).toBe(4);
  // What is not averaged is as trained.
  expect(averaged.tensors.get("decoder.w")?.data[5]).toBe(8);
});

goldenTest(
  "loadWeights() gives a .pt file and its bare weights alike",
  "checkpoints/transformer_a",
  () => {
    const fairseq = loadWeights(goldenPath("checkpoints/transformer_a.pt"));
    const bare = loadWeights(goldenPath("checkpoints/transformer_a.weights.safetensors"));
    expect(fairseq.fairseq?.settings?.arch).toBe("transformer");
    expect(bare.record).toBeUndefined();
    expect([...fairseq.tensors.keys()].sort()).toEqual([...bare.tensors.keys()].sort());
    for (const [name, { shape, data }] of bare.tensors) {
      expect(fairseq.tensors.get(name)?.shape).toEqual(shape);
      expect(fairseq.tensors.get(name)?.data).toEqual(data);
    }
  },
);

test("loadWeights() names what it cannot read", async () => {
  const bare = join(folder, "bare.safetensors");
  await replaceFile(bare, (sink) => writeSafetensors(sink, []));
  const text = join(folder, "notes.txt");
  writeFileSync(text, "these are notes, not weights");
  expect(() => loadWeights(text)).toThrow(`${text}: claims a header`);
  expect(() => loadWeights(join(folder, "absent.pt"))).toThrow("absent.pt: no such file");
  expect(() => loadWeights(bare, { ema: true })).toThrow("holds no averaged weights");
});
