// How a Web Worker that computes begins: with the first message from the page.
import { Bundle, type BundleSource } from "../runtime/bundle.ts";
import type { Port } from "../runtime/port_messages.ts";
import { serveOnPort } from "../runtime/port_server.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";
import { fetchSource } from "./fetch_source.ts";
import type { Loading, Opening } from "./worker_messages.ts";

/** Opens the translator that the page asks for, tells how far loading is, and answers calls. */
export function serveOpening<Asked extends Opening>(
  open: (source: BundleSource, asked: Asked) => Promise<EdgeTranslator>,
): void {
  const port = globalThis as unknown as Port;
  let begun = false;
  port.addEventListener("message", ({ data }) => {
    if (begun) return;
    begun = true;
    const asked = data as Asked;
    void serveOnPort(port, async () => open(await toldSource(port, asked.bundle), asked));
  });
}

/** The bundle below an address; the page is told how much of it has come. */
async function toldSource(port: Port, base: string): Promise<BundleSource> {
  const { manifest } = await Bundle.open(fetchSource(base, () => undefined));
  const total = Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);
  const come = new Map<string, number>();
  return fetchSource(base, (name, bytes) => {
    if (!(name in manifest.files)) return;
    come.set(name, bytes);
    const done = [...come.values()].reduce((sum, each) => sum + each, 0);
    port.postMessage({ kind: "loading", done, total } satisfies Loading);
  });
}
