// A web server that hands out a folder, as any would: no special headers.
import { join, normalize, sep } from "node:path";

export interface StaticServer {
  readonly url: string;
  /** Paths that were asked for, in their order. */
  readonly asked: string[];
  stop(): Promise<void>;
}

/** Bun only. @param port 0 for any that is free. */
export function serveFolder(folder: string, port = 0): StaticServer {
  const asked: string[] = [];
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      const path = decodeURIComponent(new URL(request.url).pathname);
      asked.push(path);
      const file = normalize(join(folder, path.endsWith("/") ? `${path}index.html` : path));
      if (!file.startsWith(folder + sep)) return new Response("forbidden", { status: 403 });
      const found = Bun.file(file);
      return (await found.exists()) ? new Response(found) : new Response("none", { status: 404 });
    },
  });
  // A name, not an address: localhost is a secure context in every browser.
  return { url: `http://localhost:${server.port}/`, asked, stop: () => server.stop(true) };
}
