import { expect, test } from "bun:test";
import type { z } from "zod";
import { fieldsOf } from "../../src/config/field.ts";
import { checkpoint } from "../../src/config/schemas/checkpoint.ts";
import { common } from "../../src/config/schemas/common.ts";
import { dataset } from "../../src/config/schemas/dataset.ts";
import { ema } from "../../src/config/schemas/ema.ts";
import { evaluation } from "../../src/config/schemas/evaluation.ts";
import { generation } from "../../src/config/schemas/generation.ts";
import { generationData, interactiveData } from "../../src/config/schemas/generation_data.ts";
import { optimization } from "../../src/config/schemas/optimization.ts";
import { preprocess } from "../../src/config/schemas/preprocess.ts";
import { score } from "../../src/config/schemas/score.ts";
import { translation } from "../../src/config/schemas/translation.ts";
import { goldenTest, readGolden } from "../support/golden.ts";

/** A value of a pickled configuration, as the goldens describe it. */
interface Plain {
  readonly value?: unknown;
  readonly items?: Record<string, Plain> | Plain[];
}

const file = "checkpoints/transformer_a.json";

/** Keys that the recorded run gave on its command line, so that no default shows. */
const given = new Set([
  ...["no_progress_bar", "log_interval", "log_format", "source_lang", "target_lang", "data"],
  ...["max_tokens", "max_tokens_valid", "validate_interval", "max_update", "clip_norm", "lr"],
  ...["save_dir", "save_interval", "no_epoch_checkpoints"],
  ...["max_source_positions", "max_target_positions"],
]);

/** Where weft's default or kind of value is another, and why. */
const different = new Map([
  ["restore_file", "weft's checkpoints end in .safetensors"],
  ["profile", "weft's names the file to write"],
  ["path", "weft's generate cannot do without"],
]);

function toJson({ value, items }: Plain): unknown {
  if (Array.isArray(items)) return items.map(toJson);
  if (items !== undefined)
    return Object.fromEntries(Object.entries(items).map(([k, v]) => [k, toJson(v)]));
  return value === "{}" ? {} : (value ?? undefined);
}

goldenTest("schemas have fairseq's names and defaults", file, () => {
  const cfg = toJson(readGolden<{ contents: { cfg: Plain } }>(file).contents.cfg) as Record<
    string,
    Record<string, unknown>
  >;
  const sections: [string, z.ZodObject][] = [
    ["common", common],
    ["dataset", dataset],
    ["dataset", generationData],
    ["optimization", optimization],
    ["checkpoint", checkpoint],
    ["ema", ema],
    ["common_eval", evaluation],
    ["generation", generation],
    ["interactive", interactiveData],
    ["task", translation],
  ];
  const wrong: string[] = [];
  let compared = 0;
  for (const [name, schema] of sections) {
    const theirs = { ...cfg.common_eval, ...cfg[name] };
    for (const field of fieldsOf(name, schema)) {
      if (given.has(field.key) || different.has(field.key) || !(field.key in theirs)) continue;
      compared += 1;
      const [ours, wanted] = [field.default, theirs[field.key]].map((v) => JSON.stringify(v));
      const isOff = ours === undefined && (wanted === "false" || wanted === undefined);
      if (ours !== wanted && !isOff) wrong.push(`${field.key}: ${ours} instead of ${wanted}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(compared).toBeGreaterThan(90);
});

test("every flag of every schema is described", () => {
  const schemas = {
    checkpoint,
    common,
    dataset,
    ema,
    evaluation,
    generation,
    generationData,
    interactiveData,
    optimization,
    preprocess,
    score,
    translation,
  };
  for (const [name, schema] of Object.entries(schemas)) {
    for (const { key, description } of fieldsOf(name, schema)) {
      expect(`${name}.${key}: ${description}`).toMatch(/: [a-z-].{8,}[^.]$/);
    }
  }
});
