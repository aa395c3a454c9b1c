// Entry point of the Web Worker that computes with our own kernels, so that the page never freezes.
import { openTranslator } from "../runtime/open_translator.ts";
import { fetchBytes } from "./fetch_source.ts";
import type { KernelOpening } from "./worker_messages.ts";
import { serveOpening } from "./worker_opening.ts";

serveOpening<KernelOpening>(async (source, { kernels }) =>
  openTranslator(source, await compile(new URL(kernels))),
);

/** From bytes: compileStreaming() wants a content type that not every web server gives. */
async function compile(url: URL): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await fetchBytes(url));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${url.pathname} cannot be used: ${reason}`, { cause });
  }
}
