import type { PageEngine } from "../../src/config/schemas/engines.ts";

/** What can compute in a visitor's browser: the Web Worker's script, and what people read. */
export const ENGINES: Readonly<Record<PageEngine, { worker: string; label: string }>> = {
  weft: { worker: "translator_worker.js", label: "weft's kernels" },
  "onnxruntime-webgpu": { worker: "webgpu_worker.js", label: "ONNX Runtime, WebGPU" },
};

/** onnxruntime-web's files in a deployment: the package's names, but with endings that every web server knows. */
export const ONNXRUNTIME_FILES = {
  library: "onnxruntime.js",
  wasm: "onnxruntime.wasm",
} as const;

export const isEngine = (name: string): name is PageEngine => name in ENGINES;
