// OpenBLAS chooses its kernels by the processor's model number, and takes those of 2004 for one that is
// newer than itself: OpenBLAS 0.3.21 multiplies at 32 GFLOP/s a core on an Emerald Rapids Xeon that gives
// 140 with the kernels for AVX-512. Where that has happened, it is told what the processor can do.
import { readFileSync } from "node:fs";
import process from "node:process";
import type { NativeLibrary, NativeRuntime } from "./blas_ffi.ts";
import type { Prefix } from "./blas_vendor.ts";

/** OpenBLAS's names for cores without AVX2: nothing to take on a processor that has it. */
const OLD_CORES = [
  ...["Katmai", "Coppermine", "Northwood", "Prescott", "Banias", "Atom", "Core2", "Penryn"],
  ...["Dunnington", "Nehalem", "Sandybridge", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona"],
  ...["Bobcat", "Bulldozer", "Piledriver", "Steamroller", "Nano"],
].map((name) => name.toLowerCase());

/**
 * The core whose kernels a processor with these flags (as in /proc/cpuinfo) should have instead of those
 * for `core`; undefined where OpenBLAS has chosen well.
 */
export function betterCore(core: string, flags: ReadonlySet<string>): string | undefined {
  if (!OLD_CORES.includes(core.toLowerCase()) || !flags.has("avx2") || !flags.has("fma")) return;
  const wide = ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"];
  return wide.every((flag) => flags.has(flag)) ? "SkylakeX" : "Haswell";
}

/**
 * Lets an OpenBLAS that took old kernels choose again, by OPENBLAS_CORETYPE, which it reads while it
 * starts. A user's own OPENBLAS_CORETYPE stands. Does nothing for other libraries or systems than Linux.
 */
export function chooseKernels(
  runtime: NativeRuntime,
  library: NativeLibrary,
  prefix: Prefix,
): void {
  if (process.platform !== "linux" || process.env.OPENBLAS_CORETYPE !== undefined) return;
  const core = library.find(`${prefix}openblas_get_corename`, [], "text")?.();
  const better = typeof core === "string" ? betterCore(core, processorFlags()) : undefined;
  // Neither name carries the prefix, in no build.
  const quit = library.find("gotoblas_dynamic_quit", [], "nothing");
  const start = library.find("gotoblas_dynamic_init", [], "nothing");
  if (better === undefined || !quit || !start) return;
  const system = runtime.open("libc.so.6");
  const set = system.find("setenv", ["address", "address", "i32"], "i32");
  const unset = system.find("unsetenv", ["address"], "i32");
  if (!set || !unset) return;
  const name = new TextEncoder().encode("OPENBLAS_CORETYPE\0");
  const value = new TextEncoder().encode(`${better}\0`);
  set(runtime.addressOf(name), runtime.addressOf(value), 1);
  quit();
  start();
  unset(runtime.addressOf(name));
}

/** Of the first processor; none where the system does not tell. */
function processorFlags(): Set<string> {
  try {
    const [, flags = ""] = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
    return new Set(flags.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}
