// What a worker's visitors wait for at a cold start: its script and its kernels.
import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { buildEdge } from "../../edge/build.ts";
import { artefacts } from "../../edge/platforms/artefacts.ts";

if (typeof Bun !== "undefined") await buildEdge();

test("a worker's script and kernels are less than 1 MB compressed", async () => {
  for (const script of ["worker.js", "server.js"] as const) {
    const files = [await artefacts(script), await artefacts("quantised_relaxed.wasm")];
    const sizes = files.map((bytes) => gzipSync(bytes).length);
    // Not nothing, either: a bundle that lost its code is as wrong as one that took in a library.
    expect(Math.min(...sizes)).toBeGreaterThan(5000);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_000_000);
  }
});
