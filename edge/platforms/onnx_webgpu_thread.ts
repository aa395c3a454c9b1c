// Entry point of a thread that translates with onnxruntime-web on a GPU; see translator_threads.ts for the other side.
import { breakWithGpu } from "../onnx/webgpu/break_with_gpu.ts";
import { openGpuRuntime } from "../onnx/webgpu/gpu_runtime.ts";
import { openGpuTranslator } from "../onnx/webgpu/open_gpu_translator.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import { gpuFiles } from "./file_onnxruntime_webgpu.ts";
import { folderSource } from "./folder_source.ts";
import { threadSetup } from "./thread_setup.ts";

const { port, setup } = threadSetup();
void setup.then(({ folder }) =>
  serveOnPort(port, async () => {
    const runtime = await openGpuRuntime(gpuFiles);
    breakWithGpu(runtime.device);
    return openGpuTranslator(folderSource(folder), runtime);
  }),
);
