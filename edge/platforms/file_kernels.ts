// Finds the edge's kernels where there is a file system: Bun, Deno, Node, the compiled binary.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { checkKernels } from "../../src/build_stamps.ts";
import { type KernelFile, kernelFile } from "../runtime/kernel_file.ts";

/** The fastest module that this machine runs, compiled. @throws Error that says how to build it. */
export const compileKernels = (): Promise<WebAssembly.Module> => compileKernelFile(kernelFile());

/** One of them. @throws Error that says how to build it; UserError if it is of other sources. */
export async function compileKernelFile(name: KernelFile): Promise<WebAssembly.Module> {
  const path =
    typeof Bun === "undefined"
      ? fileURLToPath(new URL(`../../build/${name}`, import.meta.url))
      : (await import("./embedded_kernels.ts")).default[name];
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Error(`build/${name} is missing: run \`bun kernels/build.ts\``, { cause });
  }
  checkKernels(name);
  return WebAssembly.compile(bytes);
}
