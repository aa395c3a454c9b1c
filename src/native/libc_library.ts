// Linux's C library, by the names that it goes by.
import process from "node:process";
import type { NativeLibrary, NativeRuntime } from "./native_runtime.ts";

/** glibc's, and musl's. */
const NAMES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** The C library, or why there is none: the loader's words for each of its names. */
export function libcLibrary(runtime: NativeRuntime): NativeLibrary | { readonly reason: string } {
  const reasons: string[] = [];
  for (const name of NAMES) {
    try {
      return runtime.open(name);
    } catch (error) {
      reasons.push((error as Error).message.split("\n")[0]);
    }
  }
  return { reason: reasons.join("; ") };
}
