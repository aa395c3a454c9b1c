import { z } from "zod";

/** Bundles to a folder that runs somewhere else. */
export const deployFlags = z.strictObject({
  bundles: z
    .array(z.string())
    .min(1)
    .describe("folders that weft export wrote")
    .meta({ positional: true }),
  out: z.string().describe("folder to write").meta({ placeholder: "FOLDER" }),
});

export type DeployFlags = z.output<typeof deployFlags>;
