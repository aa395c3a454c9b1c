// OpenBLAS carries kernels for many processors and picks by the processor's model number. A model that
// is younger than the library is served by kernels from the days of SSE3, a fifth of the speed, and a Zen
// with AVX-512 by those of the first Zen: then the processor's own list of instructions tells which
// kernels fit, and the library picks again.
import { readFileSync } from "node:fs";
import process from "node:process";
import { libcLibrary } from "../../native/libc_library.ts";
import type { NativeLibrary, NativeRuntime } from "../../native/native_runtime.ts";
import { oneAtATime } from "../../native/one_at_a_time.ts";
import type { Prefix } from "./blas_vendor.ts";

/** What OpenBLAS falls back on, by its own names. */
const OUTDATED = new Set(["Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom"]);

/** What serves every AMD processor since 2017; younger versions give those with AVX-512 kernels for that. */
const ANY_ZEN = "Zen";

/** What its kernels need, best first. */
const CORES = [
  ["SkylakeX", ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd", "fma"]],
  ["Haswell", ["avx2", "fma"]],
  ["Sandybridge", ["avx"]],
] as const;

/** The variable that OpenBLAS reads; whoever has set it has chosen. */
const VARIABLE = "OPENBLAS_CORETYPE";

/** The kernels for 512 bits. */
const [[WIDEST]] = CORES;

/** Kernels for a processor with these instructions (flags of /proc/cpuinfo), best first. */
export function coresFor(flags: ReadonlySet<string>): readonly string[] {
  return CORES.filter(([, needs]) => needs.every((flag) => flags.has(flag))).map(([name]) => name);
}

/** What Linux tells of the first processor under this name; nothing where there is no such list. */
function processorFact(name: string): string {
  try {
    const list = readFileSync("/proc/cpuinfo", "utf8");
    return new RegExp(`^${name}\\s*:(.*)$`, "m").exec(list)?.[1].trim() ?? "";
  } catch {
    return "";
  }
}

const processorFlags = (): ReadonlySet<string> => new Set(processorFact("flags").split(/\s+/));

/** Whether the processor is known to be Intel's. */
export const isIntel = (): boolean => processorFact("vendor_id") === "GenuineIntel";

/**
 * Lets an OpenBLAS that took outdated or narrow kernels take those that the processor can run. To be called
 * by a thread before it multiplies; threads may call it at once. Does nothing to other libraries, nor where
 * the user has chosen.
 */
export function takeFittingCore(
  runtime: NativeRuntime,
  library: NativeLibrary,
  prefix: Prefix,
  flags: () => ReadonlySet<string> = processorFlags,
  chosen = process.env[VARIABLE],
): void {
  const own = (name: string) =>
    library.find(`${prefix}${name}`, [], "nothing") ?? library.find(name, [], "nothing");
  const forget = own("gotoblas_dynamic_quit");
  const pick = own("gotoblas_dynamic_init");
  if (chosen || !forget || !pick) return;
  // The library asks libc, which process.env does not reach on every runtime.
  const libc = libcLibrary(runtime);
  if ("reason" in libc) return;
  const set = libc.find("setenv", ["address", "address", "i32"], "i32");
  const unset = libc.find("unsetenv", ["address"], "i32");
  if (!set || !unset) return;
  const take = (core: string): void => {
    const texts = [VARIABLE, core].map((text) => new TextEncoder().encode(`${text}\0`));
    const [name, value] = texts.map((bytes) => runtime.addressOf(bytes));
    set(name, value, 1);
    forget();
    pick();
    // Neither other libraries nor other programs are meant.
    unset(name);
  };
  // The choice is the process' own: between the two calls no other thread may multiply or ask.
  oneAtATime(runtime, libc, () => {
    const core = coreName(library, prefix);
    if (core === undefined) return;
    for (const better of betterCores(core, flags())) {
      take(better);
      // A build without these kernels takes the oldest it has.
      if (coreName(library, prefix) === better) return;
    }
    if (coreName(library, prefix) !== core) take(core);
  });
}

/** Kernels that serve better than `core` on a processor with these instructions, best first. */
function betterCores(core: string, flags: ReadonlySet<string>): readonly string[] {
  const fitting = coresFor(flags);
  if (OUTDATED.has(core)) return fitting;
  return core === ANY_ZEN ? fitting.filter((each) => each === WIDEST) : [];
}

/** OpenBLAS' kernels that have others for small products beside them, which pack nothing (since 0.3.17). */
const SMALL_PRODUCTS = new Set(["SkylakeX", "Cooperlake", "SapphireRapids"]);

/** Whether small products are about as fast as large ones, as MKL's are and some of OpenBLAS'. */
export function hasSmallKernels(library: NativeLibrary, prefix: Prefix): boolean {
  if (library.find("MKL_Set_Num_Threads", ["i32"], "nothing")) return true;
  const core = coreName(library, prefix);
  const config = library.find(`${prefix}openblas_get_config`, [], "text")?.();
  const [, minor, patch] = /OpenBLAS 0\.(\d+)\.(\d+)/.exec(String(config)) ?? [];
  const young = Number(minor) > 3 || (Number(minor) === 3 && Number(patch) >= 17);
  return core !== undefined && SMALL_PRODUCTS.has(core) && young;
}

/** Which kernels serve, by OpenBLAS' own name for them. */
export function coreName(library: NativeLibrary, prefix: Prefix): string | undefined {
  const name = library.find(`${prefix}openblas_get_corename`, [], "text")?.();
  return typeof name === "string" ? name : undefined;
}
