// Entry point of a thread that translates with our own kernels; see translator_threads.ts for the other side.
import { openTranslator } from "../runtime/open_translator.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import { folderSource } from "./folder_source.ts";
import { threadSetup } from "./thread_setup.ts";

const { port, setup } = threadSetup();
void setup.then(({ folder, kernels }) =>
  serveOnPort(port, () => openTranslator(folderSource(folder), kernels)),
);
