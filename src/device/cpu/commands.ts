// A prepared program as 32-bit words in shared memory, so that every thread can read it.
//
//   header:  [scratch, bytes per thread]
//   kernel:  [0, flags, kernel number, work, grain, arguments, (tag, value) ...]
//   sgemm:   [1, flags, split, grain, transA, transB, M, N, K, lda, ldb, ldc, beta, batch,
//             stride a, stride b, stride c, a, b, c]
//   panels:  as sgemm, b being the address of a packed weight (packed_weights.ts)
//
// flags bit 0: follows the command before without a barrier.

import type { CpuArgument, CpuDispatch } from "../../../kernels/op.ts";
import type { Sgemm } from "./blas.ts";
import { FEW_ROWS, multiplyPanels, multiplyRows, type WeightPlace } from "./packed_weights.ts";
import type { Words } from "./words.ts";

const KERNEL = 0;
const SGEMM = 1;
const PANELS = 2;
const FOLLOWS = 1;

/** Words before the first command. */
const HEADER_WORDS = 2;

/** Words of a product, and of a kernel's call before its arguments. */
const SGEMM_WORDS = 20;
const KERNEL_WORDS = 6;

/** How an argument word becomes a number for the kernel. */
const TAG = { integer: 0, float: 1, scratch: 2 } as const;

const SPLITS = ["batch", "M", "N"] as const;

/** Address of an argument that is an operand or shared memory. */
export type Locate = (argument: CpuArgument) => number;

const bits = new DataView(new ArrayBuffer(4));
const bitsOf = (value: number): number => {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
};

/** Address of a weight in panels; undefined where it may change or products do not gain by it. */
export type Packed = (
  argument: CpuArgument,
  weight: Omit<WeightPlace, "address">,
) => number | undefined;

/** Each thread's scratch follows that of the thread before. */
export interface Scratch {
  readonly address: number;
  readonly bytesPerThread: number;
}

/** Begins a list that has no command yet. */
export function beginList(words: Words): void {
  words.length = 0;
  words.append(new Array<number>(HEADER_WORDS).fill(0));
}

/** Says where the scratch lies, which is known only when all commands are. */
export function encodeHeader(words: Words, { address, bytesPerThread }: Scratch): void {
  words.set(0, address);
  words.set(1, bytesPerThread);
}

/** Appends one dispatch; one that follows does not wait for what other threads do before it. */
export function encode(
  words: Words,
  dispatch: CpuDispatch,
  follows: boolean,
  kernels: ReadonlyMap<string, number>,
  locate: Locate,
  packed: Packed,
): void {
  const flags = follows ? FOLLOWS : 0;
  if ("sgemm" in dispatch) {
    const { sgemm: g } = dispatch;
    const fits = !g.transA && g.transB && g.batch === 1 && g.beta === 0 && g.K > 0;
    const panels = fits ? packed(dispatch.b, { N: g.N, K: g.K, ld: g.ldb }) : undefined;
    words.append([
      ...[panels === undefined ? SGEMM : PANELS, flags, SPLITS.indexOf(g.split)],
      ...[dispatch.grain ?? 8, g.transA ? 1 : 0, g.transB ? 1 : 0, g.M, g.N, g.K],
      ...[g.lda, g.ldb, g.ldc, g.beta, g.batch, ...g.strides],
      ...[locate(dispatch.a), panels ?? locate(dispatch.b), locate(dispatch.c)],
    ]);
    return;
  }
  const kernel = kernels.get(dispatch.kernel);
  if (kernel === undefined) throw new Error(`cpu: kernels.wasm has no ${dispatch.kernel}`);
  const { work, grain = 1, arguments: list } = dispatch;
  words.append([KERNEL, flags, kernel, work, grain, list.length]);
  for (const argument of list) {
    const isObject = typeof argument === "object";
    if (isObject && "f32" in argument) {
      words.push(TAG.float);
      words.push(bitsOf(argument.f32));
    } else if (isObject && "scratch" in argument) {
      words.push(TAG.scratch);
      words.push(0);
    } else {
      words.push(TAG.integer);
      words.push(isObject ? locate(argument) : argument);
    }
  }
}

export type Kernel = (...values: number[]) => void;

/** What one thread brings along. */
export interface ThreadContext {
  readonly thread: number;
  readonly threads: number;
  /** Exports of kernels.wasm, in order of their numbers. */
  readonly kernels: readonly Kernel[];
  readonly sgemm: Sgemm | undefined;
  /** Whether it multiplies small matrices without packing them. */
  readonly smallKernels: boolean;
}

/** One dispatch as this thread runs it. */
export interface Command {
  readonly follows: boolean;
  readonly run: () => void;
}

/** The units of `work` that fall to `thread`: whole multiples of grain. */
export function shareOf(
  work: number,
  grain: number,
  thread: number,
  threads: number,
): [start: number, end: number] {
  const grains = Math.ceil(work / grain);
  const start = Math.floor((grains * thread) / threads) * grain;
  const end = Math.floor((grains * (thread + 1)) / threads) * grain;
  return [Math.min(start, work), Math.min(end, work)];
}

/** Reads a program for one thread. */
export function decode(words: Int32Array, context: ThreadContext): Command[] {
  const commands: Command[] = [];
  const scratch = words[0] + words[1] * context.thread;
  for (let at = HEADER_WORDS; at < words.length; ) {
    const follows = (words[at + 1] & FOLLOWS) !== 0;
    if (words[at] === KERNEL) {
      commands.push({ follows, run: decodeKernel(words, at, context, scratch) });
      at += KERNEL_WORDS + 2 * words[at + 5];
    } else {
      commands.push({ follows, run: decodeSgemm(words, at, context) });
      at += SGEMM_WORDS;
    }
  }
  return commands;
}

const idle = (): void => {};

function decodeKernel(
  words: Int32Array,
  at: number,
  context: ThreadContext,
  scratch: number,
): () => void {
  const [start, end] = shareOf(words[at + 3], words[at + 4], context.thread, context.threads);
  if (start >= end) return idle;
  const values: number[] = [];
  const first = at + KERNEL_WORDS;
  const last = first + 2 * words[at + 5];
  for (let argument = first; argument < last; argument += 2) {
    const tag = words[argument];
    const value = words[argument + 1];
    if (tag === TAG.scratch) values.push(scratch);
    else if (tag === TAG.float) {
      bits.setInt32(0, value);
      values.push(bits.getFloat32(0));
    } else values.push(value);
  }
  values.push(start, end);
  const kernel = context.kernels[words[at + 2]];
  return () => kernel(...values);
}

function decodeSgemm(words: Int32Array, at: number, context: ThreadContext): () => void {
  const { sgemm, thread, threads, smallKernels } = context;
  if (!sgemm) throw new Error("cpu: a program wants BLAS where none is open");
  const inPanels = words[at] === PANELS;
  const split = words[at + 2];
  const grain = words[at + 3];
  const transA = words[at + 4];
  const transB = words[at + 5];
  const M = words[at + 6];
  const N = words[at + 7];
  const K = words[at + 8];
  const lda = words[at + 9];
  const ldb = words[at + 10];
  const ldc = words[at + 11];
  const beta = words[at + 12];
  const batch = words[at + 13];
  const strideA = words[at + 14];
  const strideB = words[at + 15];
  const strideC = words[at + 16];
  const a = words[at + 17];
  const b = words[at + 18];
  const c = words[at + 19];
  const extent = [batch, M, N][split];
  const [start, end] = shareOf(extent, SPLITS[split] === "batch" ? 1 : grain, thread, threads);
  if (start >= end || M === 0 || N === 0) return idle;
  const byM = SPLITS[split] === "M";
  const byN = SPLITS[split] === "N";
  const rows = byM ? end - start : M;
  const columns = byN ? end - start : N;
  const firstA = (byM ? start * (transA ? 1 : lda) : 0) * 4;
  const firstB = (byN ? start * (transB ? ldb : 1) : 0) * 4;
  const firstC = (byM ? start * ldc : byN ? start : 0) * 4;
  const [from, to] = byM || byN ? [0, batch] : [start, end];
  if (inPanels) {
    const product = { a: a >>> 0, lda, panels: b >>> 0, c: c >>> 0, ldc, N, K };
    const [allRows, allColumns, share] = [
      [0, M],
      [0, N],
      [start, end],
    ] as const;
    return () => multiplyPanels(sgemm, product, byM ? share : allRows, byN ? share : allColumns);
  }
  if (smallKernels && transA === 0 && transB === 1 && beta === 0 && K > 0 && M <= FEW_ROWS) {
    return () => {
      for (let item = from; item < to; item++) {
        const [atA, atB] = [a + firstA + item * strideA * 4, b + firstB + item * strideB * 4];
        const atC = c + firstC + item * strideC * 4;
        multiplyRows(sgemm, rows, columns, K, [atA, lda], [atB, ldb], [atC, ldc]);
      }
    };
  }
  return () => {
    for (let item = from; item < to; item++) {
      sgemm(
        transA === 1,
        transB === 1,
        rows,
        columns,
        K,
        a + firstA + item * strideA * 4,
        lda,
        b + firstB + item * strideB * 4,
        ldb,
        beta,
        c + firstC + item * strideC * 4,
        ldc,
      );
    }
  };
}
