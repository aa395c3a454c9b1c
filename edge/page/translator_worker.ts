// Entry point of the Web Worker that computes, so that the page never freezes.
import { Bundle } from "../runtime/bundle.ts";
import { openTranslator } from "../runtime/open_translator.ts";
import type { Port } from "../runtime/port_messages.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";
import { fetchBytes, fetchSource } from "./fetch_source.ts";
import type { Loading, Opening } from "./worker_messages.ts";

const port = globalThis as unknown as Port;

let begun = false;
port.addEventListener("message", ({ data }) => {
  if (begun) return;
  begun = true;
  void serveOnPort(port, () => open(data as Opening));
});

async function open({ bundle: base, kernels }: Opening): Promise<EdgeTranslator> {
  const { manifest } = await Bundle.open(fetchSource(base, () => undefined));
  const total = Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);
  const come = new Map<string, number>();
  const source = fetchSource(base, (name, bytes) => {
    if (!(name in manifest.files)) return;
    come.set(name, bytes);
    const done = [...come.values()].reduce((sum, each) => sum + each, 0);
    port.postMessage({ kind: "loading", done, total } satisfies Loading);
  });
  return openTranslator(source, await compile(new URL(kernels)));
}

/** From bytes: compileStreaming() wants a content type that not every web server gives. */
async function compile(url: URL): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await fetchBytes(url));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${url.pathname} cannot be used: ${reason}`, { cause });
  }
}
