import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { average as averageSchema } from "../../src/config/schemas/average.ts";
import { readSafetensors, writeSafetensors } from "../../src/interop/safetensors.ts";
import { float32Tensor, type StoredTensor, toNumbers } from "../../src/interop/stored_tensor.ts";
import { averageParameters, writeAverage } from "../../src/train/average.ts";
import { findCheckpoints } from "../../src/train/average_discovery.ts";
import { openCheckpoint, writeCheckpoint } from "../../src/train/checkpoint_file.ts";
import { replaceFile } from "../../src/train/checkpoint_replace.ts";
import { loadWeights } from "../../src/train/checkpoint_weights.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";
import { sampleContent, sampleRecord } from "./checkpoint_sample.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-average-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Golden {
  cases: {
    case: number;
    what: string;
    args: string[];
    result?: string;
    error?: string;
    kept_cfg?: { tag: string };
  }[];
}

/** The script's arguments as weft's configuration; paths lie in the golden folder. */
function configOf(args: readonly string[]) {
  const values: Record<string, unknown> = { output: "average.safetensors" };
  const at = args.findIndex((arg, i) => i > 0 && arg.startsWith("--"));
  const inputs = args.slice(1, at < 0 ? undefined : at);
  values.inputs = inputs.map((input) => join(goldenPath("training/averaging"), input));
  for (let i = at; i >= 0 && i < args.length; i += 2) {
    values[(args[i] ?? "").slice(2).replaceAll("-", "_")] = Number(args[i + 1]);
  }
  return averageSchema.parse(values);
}

// weft finds the best of a folder, where the script fails.
const DONE_HERE = new Set(["best 2 of a directory (fails)"]);

goldenTest(
  "averageParameters() gives the means of fairseq's script",
  "training/averaging",
  async () => {
    for (const { args, result, error, what, kept_cfg } of readGolden<Golden>(
      "training/averaging/averaging.json",
    ).cases) {
      const config = configOf(args);
      if (error && !DONE_HERE.has(what)) {
        await expect(findCheckpoints(config)).rejects.toThrow("fitting checkpoints");
        continue;
      }
      // The script reads .pt files; of both formats in a folder weft takes its own. Both are tried.
      const paths = await findCheckpoints(config);
      for (const format of [".pt", ".safetensors"]) {
        const inFormat = paths.map((path) => path.replace(/\.pt$|\.safetensors$/, format));
        const { tensors, fairseq } = averageParameters(inFormat);
        if (!result) continue;
        compare(tensors, readSafetensors(goldenPath(`training/averaging/${result}`)).tensors);
        if (format === ".pt")
          expect(inFormat[0]?.endsWith(kept_cfg?.tag.replace("cfg of ", "") ?? "?")).toBe(true);
        if (format === ".pt") expect(fairseq?.training.trainIterator.epoch).toBeGreaterThan(0);
      }
    }
  },
);

function compare(tensors: Map<string, StoredTensor>, golden: Map<string, StoredTensor>): void {
  const names = [...golden.keys()].filter((name) => !name.endsWith("version")).sort();
  expect([...tensors.keys()].sort()).toEqual(names);
  for (const name of names) {
    const [got, want] = [tensors.get(name), golden.get(name)];
    if (!got || !want) throw new Error(`no ${name}`);
    expect({ name, dtype: got.dtype, shape: got.shape }).toEqual({
      name,
      dtype: want.dtype,
      shape: want.shape,
    });
    const wanted = toNumbers(want);
    for (const [i, value] of toNumbers(got).entries()) {
      expect(Math.abs(value - (wanted[i] ?? Number.NaN))).toBeLessThan(1e-6);
    }
  }
}

async function bare(path: string, tensors: Record<string, StoredTensor>): Promise<string> {
  const entries = Object.entries(tensors).map(([name, t]) => ({ name, ...t, data: () => t.bytes }));
  await replaceFile(path, (sink) => writeSafetensors(sink, entries));
  return path;
}

const tensor = (...values: number[]) => float32Tensor([values.length], Float32Array.from(values));

test("averageParameters() names the file whose parameters differ", async () => {
  const first = await bare(join(folder, "1.safetensors"), { w: tensor(1, 2) });
  const fewer = await bare(join(folder, "2.safetensors"), { v: tensor(1, 2) });
  const more = await bare(join(folder, "3.safetensors"), { w: tensor(1, 2), v: tensor(1) });
  const other = await bare(join(folder, "4.safetensors"), { w: tensor(1, 2, 3) });
  expect(() => averageParameters([first, fewer])).toThrow("2.safetensors: is of another model");
  expect(() => averageParameters([first, fewer])).toThrow("w is missing");
  expect(() => averageParameters([first, more])).toThrow("v is not in the first");
  expect(() => averageParameters([first, other])).toThrow("w has shape [3], not [2]");
});

test("writeAverage() keeps the first checkpoint's record, and loads again", async () => {
  const paths = [2, 4].map((update) => join(folder, `checkpoint${update}.safetensors`));
  for (const [i, path] of paths.entries()) await writeCheckpoint(path, sampleContent(2 * i + 2, 3));
  const output = join(folder, "average.safetensors");
  const read: string[] = [];
  await writeAverage(
    output,
    averageParameters(paths, (path) => read.push(path)),
  );
  expect(read).toEqual(paths);
  const { tensors, record } = loadWeights(output);
  expect([...(tensors.get("encoder.w")?.data ?? [])]).toEqual([3, 3, 3]);
  expect(record).toEqual(sampleRecord(2));
  const opened = openCheckpoint(output);
  expect(opened.optimizerSlots.size).toBe(0);
  opened.close();
});

goldenTest(
  "writeAverage() keeps what a fairseq checkpoint says about its model",
  "checkpoints/transformer_a.pt",
  async () => {
    const path = goldenPath("checkpoints/transformer_a.pt");
    const output = join(folder, "from-fairseq.safetensors");
    await writeAverage(
      output,
      averageParameters([path, goldenPath("checkpoints/transformer_b.pt")]),
    );
    const { fairseq } = loadWeights(output);
    expect(fairseq).toEqual(loadWeights(path).fairseq);
    expect(fairseq?.settings?.arch).toBe("transformer");
  },
);

test("findCheckpoints() finds the best of a folder, the largest where that is best", async () => {
  const saved = join(folder, "best");
  mkdirSync(saved);
  const content = sampleContent(1, 1);
  const config = { sections: { checkpoint: { maximize_best_checkpoint_metric: true } } };
  const record = { ...content.record, config };
  for (const value of ["10.0000", "9.0001", "11.5000"]) {
    const path = join(saved, `checkpoint.best_bleu_${value}.safetensors`);
    await writeCheckpoint(path, { ...content, record });
  }
  const chosen = await findCheckpoints({ inputs: [saved], num_best_checkpoints: 2 });
  expect(chosen.map((path) => /bleu_(.*)\.safetensors$/.exec(path)?.[1])).toEqual([
    "11.5000",
    "10.0000",
  ]);
});

test("findCheckpoints() refuses a folder without a choice, and files without a value", async () => {
  const file = join(folder, "checkpoint_last.safetensors");
  await writeCheckpoint(file, sampleContent(1, 1));
  copyFileSync(file, join(folder, "checkpoint7.safetensors"));
  await expect(findCheckpoints({ inputs: [folder] })).rejects.toThrow("is a folder");
  await expect(findCheckpoints({ inputs: [file], num_best_checkpoints: 1 })).rejects.toThrow(
    "has no value in its name",
  );
  await expect(findCheckpoints({ inputs: [file], num_epoch_checkpoints: 1 })).rejects.toThrow(
    "no folder that can be read",
  );
  await expect(
    findCheckpoints({ inputs: [folder, folder], num_update_checkpoints: 1 }),
  ).rejects.toThrow("2 paths are given");
  expect(await findCheckpoints({ inputs: [file] })).toEqual([file]);
});
