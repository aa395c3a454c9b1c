// Entry point of a thread that translates; see translator_threads.ts for the other side.

import { openTranslator } from "../runtime/open_translator.ts";
import type { Port } from "../runtime/port_messages.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import { folderSource } from "./folder_source.ts";

const port = globalThis as unknown as Port;

/** The first message: which bundle, and the kernels, compiled. */
export interface ThreadSetup {
  readonly folder: string;
  readonly kernels: WebAssembly.Module;
}

let begun = false;
port.addEventListener("message", ({ data }) => {
  if (begun) return;
  begun = true;
  const { folder, kernels } = data as ThreadSetup;
  void serveOnPort(port, () => openTranslator(folderSource(folder), kernels));
});
