// Finds onnxruntime-web where there is a file system and node_modules: Bun, Deno, Node.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs";
import type { OnnxRuntime } from "../onnx/ort_module.ts";

/** ONNX Runtime's glue, and its wasm compiled. */
export async function compileOnnxRuntime(): Promise<OnnxRuntime> {
  const path = fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
  return { glue, wasm: await WebAssembly.compile(await readFile(path)) };
}
