/** What can compute in a visitor's browser: the Web Worker's script, and the files that its opening names. */
export const ENGINES = {
  weft: { worker: "translator_worker.js", label: "weft's kernels" },
  "onnxruntime-webgpu": { worker: "webgpu_worker.js", label: "ONNX Runtime, WebGPU" },
} as const;

export type Engine = keyof typeof ENGINES;

/** onnxruntime-web's files in a deployment: the package's names, but with endings that every web server knows. */
export const ONNXRUNTIME_FILES = {
  library: "onnxruntime.js",
  wasm: "onnxruntime.wasm",
} as const;

export const isEngine = (name: string): name is Engine => name in ENGINES;
