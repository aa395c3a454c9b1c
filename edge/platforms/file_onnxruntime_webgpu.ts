// Finds onnxruntime-web's build for WebGPU where there is a file system and node_modules.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/config/user_error.ts";
import type { GpuFiles } from "../onnx/webgpu/gpu_runtime.ts";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm";

/** The package's files. Each throws UserError where the package is not at hand. */
export const gpuFiles: GpuFiles = {
  library: () => found("onnxruntime-web/jspi", import("onnxruntime-web/jspi")),
  wasm: async () => new Uint8Array(await found(WASM, readFile(pathOf(WASM)))),
};

const pathOf = (name: string): string => fileURLToPath(import.meta.resolve(name));

async function found<Result>(name: string, file: Promise<Result>): Promise<Result> {
  try {
    return await file;
  } catch (cause) {
    throw new UserError({
      place: name,
      problem: `cannot be had (${cause instanceof Error ? cause.message : String(cause)})`,
      remedy: "run weft from a checkout after npm ci, or compute with our own kernels",
    });
  }
}
