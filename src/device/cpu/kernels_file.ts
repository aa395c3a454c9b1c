// Finds kernels.wasm: embedded by Bun's bundler in a compiled binary, a file of the checkout otherwise.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkKernels } from "../../build_stamps.ts";

/** The bytes of kernels.wasm. @throws Error that says how to build it; UserError if it is of other sources. */
export async function readKernels(): Promise<Uint8Array> {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL("../../../build/kernels.wasm", import.meta.url))
      : (await import("./kernels_embedded.ts")).default;
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Error("build/kernels.wasm is missing: run `bun kernels/build.ts`", { cause });
  }
  checkKernels("kernels.wasm");
  return bytes;
}
