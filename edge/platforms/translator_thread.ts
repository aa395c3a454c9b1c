// Entry point of a thread that translates; see translator_threads.ts for the other side.

import { openTranslator } from "../runtime/open_translator.ts";
import type { Port } from "../runtime/port_messages.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import { compileKernels } from "./file_kernels.ts";
import { folderSource } from "./folder_source.ts";

const port = globalThis as unknown as Port;

/** The first message names the folder. */
let begun = false;
port.addEventListener("message", ({ data }) => {
  if (begun) return;
  begun = true;
  const { folder } = data as { readonly folder: string };
  void serveOnPort(port, async () => openTranslator(folderSource(folder), await compileKernels()));
});
