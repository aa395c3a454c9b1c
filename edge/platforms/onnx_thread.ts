// Entry point of a thread that translates with onnxruntime-web; see translator_threads.ts for the other side.
import { openOnnxTranslator } from "../onnx/open_onnx_translator.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import { compileOnnxRuntime } from "./file_onnxruntime.ts";
import { folderSource } from "./folder_source.ts";
import { threadSetup } from "./thread_setup.ts";

const { port, setup } = threadSetup();
void setup.then(({ folder }) =>
  serveOnPort(port, async () =>
    openOnnxTranslator(folderSource(folder), await compileOnnxRuntime()),
  ),
);
