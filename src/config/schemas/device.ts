import { z } from "zod";

/** Where the numbers are computed. */
export const device = z.strictObject({
  device: z
    .enum(["auto", "cpu", "webgpu"])
    .default("auto")
    .describe("auto takes a real GPU if there is one, else the cpu, and says which")
    .meta({ shorthands: { "--cpu": "cpu" } }),
  threads: z
    .int()
    .min(1)
    .optional()
    .describe("threads of the cpu device (unset: one for each core)"),
  blas: z
    .string()
    .optional()
    .describe(
      "library for matrix products on the cpu device, or none for the built-in ones (unset: WEFT_BLAS, else searched for)",
    )
    .meta({ placeholder: "PATH" }),
  webgpu_provider: z
    .enum(["auto", "bun-webgpu", "webgpu", "navigator"])
    .default("auto")
    .describe("which implementation of WebGPU serves"),
  adapter: z
    .string()
    .optional()
    .describe("part of the name of the WebGPU adapter to use; a software adapter must be named")
    .meta({ placeholder: "NAME" }),
});

export type DeviceConfig = z.output<typeof device>;
