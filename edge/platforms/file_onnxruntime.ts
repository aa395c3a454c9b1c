// Finds onnxruntime-web where there is a file system and node_modules: Bun, Deno, Node.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs";
import { UserError } from "../../src/config/user_error.ts";
import type { OnnxRuntime } from "../onnx/ort_module.ts";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.wasm";

/** ONNX Runtime's glue, and its wasm compiled. @throws UserError where the package is not at hand. */
export async function compileOnnxRuntime(): Promise<OnnxRuntime> {
  try {
    const bytes = await readFile(fileURLToPath(import.meta.resolve(WASM)));
    return { glue, wasm: await WebAssembly.compile(bytes) };
  } catch (cause) {
    throw new UserError({
      place: WASM,
      problem: `cannot be had (${cause instanceof Error ? cause.message : String(cause)})`,
      remedy: "run weft from a checkout after npm ci, or compute with our own kernels",
    });
  }
}
