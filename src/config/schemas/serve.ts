import { z } from "zod";
import { ENGINES } from "./engines.ts";

/** Where and how bundles are served; the limits are edge/server's. */
export const serve = z.strictObject({
  bundles: z
    .array(z.string())
    .min(1)
    .describe("folders that weft export wrote")
    .meta({ positional: true }),
  port: z.int().min(0).max(65535).default(8080).describe("port to listen on (0: any that is free)"),
  host: z
    .string()
    .default("127.0.0.1")
    .describe("address to listen on (0.0.0.0: all of this machine)"),
  threads: z
    .int()
    .min(1)
    .default(1)
    .describe("threads that translate, each with a copy of the weights"),
  engine: z
    .enum(ENGINES)
    .default("weft")
    .describe(
      "what computes: our own kernels, or onnxruntime-web on the processor (slower; a check of ours) or on a " +
        "GPU by WebGPU (on Deno)",
    ),
  watch: z.boolean().default(false).describe("load a bundle again when it was written anew"),
  token_file: z
    .string()
    .optional()
    .describe("file of bearer tokens, one on each line; WEFT_TOKENS in the environment lists more")
    .meta({ placeholder: "FILE" }),
  allow_origin: z
    .array(z.string().regex(/^(\*|https?:\/\/[^/]+)$/, "must be * or such as https://example.org"))
    .default([])
    .describe("origin whose pages may call the server, or *; may be repeated")
    .meta({ placeholder: "ORIGIN" }),
});
