// What differs between BLAS libraries: where they are, how they are held to one thread, and how a build
// with 64-bit integers gives itself away.

import type { NativeLibrary } from "../../native/native_runtime.ts";
import { coreName } from "./blas_core.ts";

/**
 * Libraries looked for when none is named, in order.
 *
 * @param platform process.platform.
 * @param isIntel whether the processor is Intel's: MKL is the fastest on those, and slow on others.
 */
export function candidates(platform: string, isIntel: boolean): readonly string[] {
  if (platform === "darwin") return ["/System/Library/Frameworks/Accelerate.framework/Accelerate"];
  const windows = platform === "win32";
  const mkl = windows ? ["mkl_rt.3.dll", "mkl_rt.2.dll"] : ["libmkl_rt.so.3", "libmkl_rt.so.2"];
  const others = windows ? ["libopenblas.dll"] : ["libopenblas.so.0", "libblis.so.4"];
  return isIntel ? [...mkl, ...others] : [...others, ...mkl];
}

/** How to get one, in one sentence. */
export function remedy(platform: string): string {
  if (platform === "darwin")
    return "Accelerate is part of macOS; name another library with --blas PATH";
  if (platform === "win32") return "name an OpenBLAS or MKL library with --blas PATH";
  return "install one (Debian: apt-get install libopenblas0-pthread) or name it with --blas PATH";
}

/** Symbols of the scipy-openblas32 wheel carry a prefix. */
export const PREFIXES = ["", "scipy_"] as const;
export type Prefix = (typeof PREFIXES)[number];

/** A name for messages, with the library's version and kernels where it tells them. */
export function nameOf(library: NativeLibrary, prefix: Prefix, path: string): string {
  const config = library.find(`${prefix}openblas_get_config`, [], "text")?.();
  if (typeof config === "string") {
    const core = coreName(library, prefix);
    return config.split(" ").slice(0, 2).join(" ") + (core ? ` for ${core}` : "");
  }
  const version = library.find("bli_info_get_version_str", [], "text")?.();
  if (typeof version === "string") return `BLIS ${version}`;
  if (library.find("MKL_Set_Num_Threads", ["i32"], "nothing")) return "MKL";
  if (path.includes("Accelerate")) return "Accelerate";
  return path.split(/[\\/]/).at(-1) ?? path;
}

/**
 * True when the library takes its sizes as 64-bit integers. Such builds suffix their symbols with 64_, or
 * say so in their configuration; MKL decides at run time and is asked for 32 bits.
 */
export function has64BitIntegers(library: NativeLibrary, prefix: Prefix): boolean {
  const config = library.find(`${prefix}openblas_get_config`, [], "text")?.();
  if (typeof config === "string" && config.includes("USE64BITINT")) return true;
  const bits = library.find("bli_info_get_blas_int_type_size", [], "i64")?.();
  if (bits !== undefined && Number(bits) === 64) return true;
  // 0 asks for LP64; the answer is the layer in force, whose lowest bit means ILP64.
  const layer = library.find("MKL_Set_Interface_Layer", ["i32"], "i32")?.(0);
  return layer !== undefined && (Number(layer) & 1) === 1;
}

/** The 64-bit symbol that a library without cblas_sgemm offers instead, if it is such a build. */
export function suffixed64(library: NativeLibrary): string | undefined {
  const names = PREFIXES.flatMap((prefix) => [
    `${prefix}cblas_sgemm64_`,
    `${prefix}cblas_sgemm_64`,
  ]);
  return names.find((name) => library.find(name, [], "nothing"));
}

/** Weft's threads share a product out among themselves: the library must not do it a second time. */
export const holdToOneThread = (library: NativeLibrary, prefix: Prefix): void =>
  useThreads(library, prefix, 1);

/** How many threads the library takes for a product, in the whole process; where it can be told. */
export function useThreads(library: NativeLibrary, prefix: Prefix, threads: number): void {
  library.find(`${prefix}openblas_set_num_threads`, ["i32"], "nothing")?.(threads);
  library.find("bli_thread_set_num_threads", ["i64"], "nothing")?.(threads);
  library.find("MKL_Set_Num_Threads", ["i32"], "nothing")?.(threads);
  // Accelerate, macOS 15 and later: BLAS_THREADING_SINGLE_THREADED, else BLAS_THREADING_MULTI_THREADED.
  library.find("BLASSetThreading", ["i32"], "i32")?.(threads === 1 ? 1 : 0);
}
