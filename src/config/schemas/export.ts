import { z } from "zod";

/** A checkpoint to a bundle for the edge. */
export const exportFlags = z.strictObject({
  checkpoint: z
    .string()
    .describe("checkpoint of weft train, or a .pt of fairseq's")
    .meta({ positional: true }),
  out: z.string().describe("folder to write").meta({ placeholder: "FOLDER" }),
  quantize: z
    .enum(["none", "int8", "int4"])
    .default("int8")
    .describe("weights as 8-bit integers, as 4-bit ones, or as they are"),
  ema: z
    .boolean()
    .default(false)
    .describe("use the averaged weights that --store-ema kept in the checkpoint"),
  data: z
    .string()
    .optional()
    .describe("folder with the dictionaries (unset: those stored in the checkpoint)")
    .meta({ placeholder: "FOLDER" }),
  calibrate: z
    .string()
    .optional()
    .describe("measure BLEU before and after on this text: source, tab, reference on each line")
    .meta({ placeholder: "FILE" }),
  beam: z.int().min(1).default(5).describe("beam of that measurement"),
  name: z
    .string()
    .min(1)
    .optional()
    .describe("the model's name on its card (unset: the folder's; servers know it by the folder)"),
  licence: z.string().default("unknown").describe("the model's licence, for its card"),
});

export type ExportFlags = z.output<typeof exportFlags>;
