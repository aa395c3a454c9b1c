import { z } from "zod";
import { evaluationData } from "./evaluation.ts";

/** The data of generate. */
export const generationData = z.strictObject({
  ...evaluationData.shape,
  gen_subset: z
    .string()
    .default("test")
    .describe("name of the set to translate")
    .meta({ placeholder: "NAME" }),
});

/** The input of interactive. */
export const interactiveData = z.strictObject({
  data: z
    .string()
    .optional()
    .describe("folder with the dictionaries (unset: those stored in the checkpoint)")
    .meta({ positional: true }),
  buffer_size: z
    .int()
    .min(0)
    .default(0)
    .describe("read this many lines before translating them together (0: one)"),
  input: z
    .string()
    .default("-")
    .describe("file to read lines from, - for stdin")
    .meta({ placeholder: "FILE" }),
});

export type GenerationDataConfig = z.output<typeof generationData>;
export type InteractiveDataConfig = z.output<typeof interactiveData>;
