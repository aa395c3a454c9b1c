// Matrix products through the system's BLAS: found, checked, and called on addresses inside the shared
// wasm memory, so that nothing is copied. openBlas() searches once; every worker opens what it found
// from plain data, with openBlasFor().
import process from "node:process";
import {
  type NativeLibrary,
  type NativeRuntime,
  nativeRuntime,
} from "../../native/native_runtime.ts";
import { hasSmallKernels, isIntel, takeFittingCore } from "./blas_core.ts";
import {
  candidates,
  has64BitIntegers,
  holdToOneThread,
  nameOf,
  PREFIXES,
  type Prefix,
  remedy,
  suffixed64,
} from "./blas_vendor.ts";

/** Plain data: may be sent to a worker. */
export interface BlasDescription {
  /** For people: "OpenBLAS 0.3.21". */
  readonly name: string;
  readonly path: string;
  readonly prefix: Prefix;
  /** Whether small products are as fast as large ones. */
  readonly smallKernels: boolean;
}

/** Why there is no BLAS, and how to get one. */
export interface NoBlas {
  readonly reason: string;
}

export interface Blas {
  readonly name: string;
  readonly path: string;
  readonly description: BlasDescription;
  readonly sgemm: Sgemm;
}

/**
 * C (M, N) = op(A) op(B) + beta C, row-major f32, on the calling thread. a, b and c are byte offsets into
 * the memory that the library was opened for, modulo 2^32 (those beyond 2 GiB may come from an
 * Int32Array); leading dimensions count elements and are at least 1. M, N > 0; K may be 0.
 */
export type Sgemm = (
  transA: boolean,
  transB: boolean,
  M: number,
  N: number,
  K: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  beta: number,
  c: number,
  ldc: number,
) => void;

export interface BlasOptions {
  /** --blas or WEFT_BLAS: a library's path, "none", or undefined to look in the usual places. */
  readonly library?: string;
  /** Which places are usual; default process.platform. */
  readonly platform?: string;
}

// cblas.h
const ROW_MAJOR = 101;
const NO_TRANS = 111;
const TRANS = 112;

const SGEMM_PARAMETERS = [
  ...(["i32", "i32", "i32", "i32", "i32", "i32", "f32"] as const),
  ...(["address", "i32", "address", "i32", "f32", "address", "i32"] as const),
];

/**
 * The library that will serve, after a probe product, or the reason why none does. A library that was
 * asked for by path is the only one tried: the caller decides whether its absence is an error.
 */
export async function openBlas(
  { library, platform = process.platform }: BlasOptions,
  memory: WebAssembly.Memory,
): Promise<Blas | NoBlas> {
  if (library === "none") return { reason: "switched off with --blas none" };
  const runtime = await nativeRuntime();
  if ("reason" in runtime) return runtime;
  const problems: string[] = [];
  for (const path of library ? [library] : candidates(platform, isIntel())) {
    const found = examineLibrary(runtime, path);
    if (!("reason" in found)) return bind(runtime, runtime.open(path), found, memory);
    problems.push(`${path}: ${found.reason}`);
  }
  return { reason: `${problems.join("; ")}; ${remedy(platform)}` };
}

/** Opens again, in any thread, what openBlas() found. @throws Error when it has gone. */
export async function openBlasFor(
  description: BlasDescription,
  memory: WebAssembly.Memory,
): Promise<Blas> {
  const runtime = await nativeRuntime();
  if ("reason" in runtime) throw new Error(runtime.reason);
  const library = runtime.open(description.path);
  holdToOneThread(library, description.prefix);
  return bind(runtime, library, description, memory);
}

/** Whether the library at `path` is a BLAS that weft can use: what openBlas() asks of every candidate. */
export function examineLibrary(runtime: NativeRuntime, path: string): BlasDescription | NoBlas {
  let library: NativeLibrary;
  try {
    library = runtime.open(path);
  } catch (error) {
    return { reason: loaderWords(error, path) };
  }
  const prefix = PREFIXES.find((each) => library.find(`${each}cblas_sgemm`, [], "nothing"));
  if (prefix === undefined) {
    const wide = suffixed64(library);
    return {
      reason: wide
        ? `a build with 64-bit integers (it exports ${wide}); weft needs 32-bit ones`
        : "no BLAS (it does not export cblas_sgemm)",
    };
  }
  if (has64BitIntegers(library, prefix)) {
    return { reason: "a build with 64-bit integers; weft needs 32-bit ones" };
  }
  takeFittingCore(runtime, library, prefix);
  holdToOneThread(library, prefix);
  const smallKernels = hasSmallKernels(library, prefix);
  const description = { name: nameOf(library, prefix, path), path, prefix, smallKernels };
  const difference = probe(runtime, library, description);
  if (!(difference < 1e-5)) {
    return { reason: `a probe product came out wrong (largest difference ${difference})` };
  }
  return description;
}

function bind(
  runtime: NativeRuntime,
  library: NativeLibrary,
  description: BlasDescription,
  memory: WebAssembly.Memory,
): Blas {
  const symbol = `${description.prefix}cblas_sgemm`;
  const call = library.find(symbol, SGEMM_PARAMETERS, "nothing");
  if (!call) throw new Error(`${description.path}: no longer exports ${symbol}`);
  // A shared memory reserves its maximum when it is made, in JavaScriptCore and V8 alike, and grows in
  // place: the base is read once.
  const base = runtime.addressOf(new Uint8Array(memory.buffer));
  return {
    name: description.name,
    path: description.path,
    description,
    sgemm(transA, transB, M, N, K, a, lda, b, ldb, beta, c, ldc) {
      const formA = transA ? TRANS : NO_TRANS;
      const formB = transB ? TRANS : NO_TRANS;
      const [atA, atB, atC] = [base + (a >>> 0), base + (b >>> 0), base + (c >>> 0)];
      call(ROW_MAJOR, formA, formB, M, N, K, 1, atA, lda, atB, ldb, beta, atC, ldc);
    },
  };
}

/**
 * Largest difference between the library's answer and a plain loop's, on a product that mixes
 * transposition, odd sizes, padded rows and beta: NaN or large for anything that is no sgemm.
 */
function probe(
  runtime: NativeRuntime,
  library: NativeLibrary,
  description: BlasDescription,
): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const [M, N, K, lda, ldb, ldc] = [7, 13, 9, 8, 15, 16];
  const a = new Float32Array(memory.buffer, 0, K * lda);
  const b = new Float32Array(memory.buffer, 4096, K * ldb);
  const c = new Float32Array(memory.buffer, 8192, M * ldc);
  for (const [at, array] of [a, b, c].entries()) {
    for (let i = 0; i < array.length; i++) array[i] = Math.sin((at + 1) * (i + 1));
  }
  const before = Float32Array.from(c);
  const blas = bind(runtime, library, description, memory);
  blas.sgemm(true, false, M, N, K, a.byteOffset, lda, b.byteOffset, ldb, 1, c.byteOffset, ldc);
  let largest = 0;
  for (const [at, got] of c.entries()) {
    const [m, n] = [Math.floor(at / ldc), at % ldc];
    let want = before[at];
    for (let k = 0; n < N && k < K; k++) want += a[k * lda + m] * b[k * ldb + n];
    largest = Math.max(largest, Math.abs(got - want)); // NaN wins
  }
  return largest;
}

/** The loader's message without the path that our own message already names. */
function loaderWords(error: unknown, path: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const words = message
    .split(": ")
    .filter((part) => !part.includes(path) && !/open library$/i.test(part));
  return words.join(": ") || message;
}
