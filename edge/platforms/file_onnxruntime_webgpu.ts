// Finds onnxruntime-web's build for WebGPU where there is a file system and node_modules.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/config/user_error.ts";
import type { GpuFiles } from "../onnx/webgpu/gpu_runtime.ts";

const FILES = {
  library: "onnxruntime-web/jspi",
  wasm: "onnxruntime-web/ort-wasm-simd-threaded.jspi.wasm",
} as const;

/** The package's files. Each throws UserError where the package is not at hand. */
export const gpuFiles: GpuFiles = {
  library: () => found(FILES.library, () => withoutLocation(() => import("onnxruntime-web/jspi"))),
  wasm: () => readGpuFile("wasm"),
};

/** The bytes of one of them. @throws UserError where the package is not at hand. */
export const readGpuFile = (which: keyof typeof FILES): Promise<Uint8Array<ArrayBuffer>> =>
  found(FILES[which], async () => {
    const path = fileURLToPath(import.meta.resolve(FILES[which]));
    return new Uint8Array(await readFile(path));
  });

async function found<Result>(name: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    throw new UserError({
      place: name,
      problem: `cannot be had (${cause instanceof Error ? cause.message : String(cause)})`,
      remedy: "run weft from a checkout after npm ci, or compute with our own kernels",
    });
  }
}

/**
 * While it is loaded the package resolves its own address against `location.origin`, which is "null" in a
 * thread of Deno, as it is for all files: no address, so it fails. Without a location it does not ask.
 */
async function withoutLocation<Result>(load: () => Promise<Result>): Promise<Result> {
  const location = Object.getOwnPropertyDescriptor(globalThis, "location");
  if (location === undefined || globalThis.location?.origin !== "null") return load();
  Object.defineProperty(globalThis, "location", { value: undefined, configurable: true });
  try {
    return await load();
  } finally {
    Object.defineProperty(globalThis, "location", location);
  }
}
