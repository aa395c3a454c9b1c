import { z } from "zod";
import { batching } from "./batching.ts";

/** Ways to join the pieces of words again, by the tool that split them. */
export const postProcess = z.enum([
  "subword_nmt",
  "@@ ",
  "@@",
  "sentencepiece",
  "wordpiece",
  "letter",
  "silence",
  "_EOW",
  "none",
]);

/** Which part of which data a finished model works on: generate, validate. */
export const evaluationData = z.strictObject({
  ...batching.shape,
  data: z.string().describe("folder of binarised data, or of raw text").meta({ positional: true }),
  dataset_impl: z
    .enum(["raw", "mmap"])
    .optional()
    .describe("format of the data (unset: recognised from the files)"),
  num_shards: z.int().min(1).default(1).describe("cut the work into N shares"),
  shard_id: z.int().min(0).default(0).describe("which share to do, from 0"),
});

/** Which model, and what becomes of its output: generate, interactive, validate. */
export const evaluation = z.strictObject({
  path: z
    .string()
    .describe("the model's checkpoint; several, joined by colons, work as an ensemble")
    .meta({ placeholder: "FILE[:FILE]" }),
  model_overrides: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("settings that replace those stored in the checkpoint"),
  ema: z
    .boolean()
    .default(false)
    .describe("use the averaged weights that --store-ema kept in the checkpoint"),
  quiet: z.boolean().default(false).describe("print only the final scores"),
  results_path: z
    .string()
    .optional()
    .describe("write the output into this folder instead of printing it")
    .meta({ placeholder: "FOLDER" }),
});

export type EvaluationDataConfig = z.output<typeof evaluationData>;
export type EvaluationConfig = z.output<typeof evaluation>;
