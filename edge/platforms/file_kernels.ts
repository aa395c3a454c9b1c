// Finds quantised.wasm where there is a file system: Bun, Deno, Node, the compiled binary.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** build/quantised.wasm, compiled. @throws Error that says how to build it. */
export async function compileKernels(): Promise<WebAssembly.Module> {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL("../../build/quantised.wasm", import.meta.url))
      : (await import("./embedded_kernels.ts")).default;
  try {
    return await WebAssembly.compile(await readFile(path));
  } catch (cause) {
    throw new Error("build/quantised.wasm is missing: run `bun kernels/build.ts`", { cause });
  }
}
