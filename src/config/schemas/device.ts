import { z } from "zod";

/** Where the numbers are computed. */
export const device = z.strictObject({
  device: z
    .string()
    .regex(/^(auto|cpu|webgpu(:.+)?)$/, "must be auto, cpu, webgpu or webgpu:ADAPTER")
    .default("auto")
    .describe(
      "auto takes a real GPU if there is one, else the cpu, and says which; webgpu:NAME takes the adapter whose name contains NAME, webgpu:software a software one",
    )
    .meta({ shorthands: { "--cpu": "cpu" } }),
  threads: z
    .int()
    .min(1)
    .optional()
    .describe("threads of the cpu device (unset: WEFT_THREADS, else one for each core)"),
  blas: z
    .string()
    .optional()
    .describe(
      "library for matrix products on the cpu device, or none for the built-in ones (unset: WEFT_BLAS, else searched for)",
    )
    .meta({ placeholder: "PATH" }),
  webgpu_provider: z
    .enum(["auto", "bun-webgpu", "webgpu", "navigator.gpu"])
    .default("auto")
    .describe("which implementation of WebGPU serves"),
  autotune: z
    .boolean()
    .optional()
    .describe(
      "choose among kernels of a GPU by timing them, once per adapter and kept on disk; --no-autotune takes the tables' first (unset: on real GPUs, not on software adapters)",
    ),
});

export type DeviceConfig = z.output<typeof device>;
