// Entry point of the Web Worker that computes with onnxruntime-web on the visitor's GPU. The package's files
// lie beside it, and are fetched only where there is a GPU.
import type * as Ort from "onnxruntime-web/jspi";
import { breakWithGpu } from "../onnx/webgpu/break_with_gpu.ts";
import { openGpuRuntime } from "../onnx/webgpu/gpu_runtime.ts";
import { openGpuTranslator } from "../onnx/webgpu/open_gpu_translator.ts";
import { fetchBytes } from "./fetch_source.ts";
import type { GpuOpening } from "./worker_messages.ts";
import { serveOpening } from "./worker_opening.ts";

serveOpening<GpuOpening>(async (source, { library, wasm }) => {
  const runtime = await openGpuRuntime({
    library: () => import(library) as Promise<typeof Ort>,
    wasm: () => fetchBytes(new URL(wasm)),
  });
  breakWithGpu(runtime.device);
  return openGpuTranslator(source, runtime);
});
