// Finds exchange.wasm: embedded by Bun's bundler in a compiled binary, a file of the checkout otherwise.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The bytes of exchange.wasm. @throws Error that says how to build it. */
export async function readExchange(): Promise<Uint8Array> {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL("../../build/exchange.wasm", import.meta.url))
      : (await import("./exchange_embedded.ts")).default;
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Error("build/exchange.wasm is missing: run `bun kernels/build.ts`", { cause });
  }
}
