import { z } from "zod";
import { PAGE_ENGINES } from "./engines.ts";

/** Bundles to a folder that runs somewhere else. */
export const deployFlags = z.strictObject({
  bundles: z
    .array(z.string())
    .min(1)
    .describe("folders that weft export wrote")
    .meta({ positional: true }),
  out: z.string().describe("folder to write").meta({ placeholder: "FOLDER" }),
});

/** The page alone may carry more than our own kernels. */
export const deployStaticFlags = deployFlags.extend({
  engine: z
    .enum(PAGE_ENGINES)
    .default("weft")
    .describe(
      "what computes in the browser: our own kernels, or, for visitors who choose it, onnxruntime-web on " +
        "their GPU (17 MB more)",
    ),
});

export type DeployFlags = z.output<typeof deployFlags>;
