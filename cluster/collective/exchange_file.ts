// Finds exchange.wasm: embedded by Bun's bundler in a compiled binary, a file of the checkout otherwise.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkKernels } from "../../src/build_stamps.ts";

/** The bytes of exchange.wasm. @throws Error that says how to build it; UserError if it is of other sources. */
export async function readExchange(): Promise<Uint8Array> {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL("../../build/exchange.wasm", import.meta.url))
      : (await import("./exchange_embedded.ts")).default;
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Error("build/exchange.wasm is missing: run `bun kernels/build.ts`", { cause });
  }
  checkKernels("exchange.wasm");
  return bytes;
}
