// How a product is cut into chunks for the threads, and the call of matmul_f32 that follows from it.
import type { CpuArgument, CpuFacts, KernelDispatch } from "../op.ts";
import { type Activation, activationNumber } from "./activation.ts";

/** What matmul_f32 works in: an edge tile, 5 packed rows of A, a packed block of B (simd.as.ts). */
export const SCRATCH_BYTES = 192 + 256 * 80 + 256 * 768 * 4;

const TILE_ROWS = 5;
const TILE_COLUMNS = 8;
/**
 * Up to so many rows C = A B^T is made of dot products of the rows where they lie; with more, packing B
 * pays. Measured in Bun on Zen 4 at K = 512 to 2048 and N = 512 to 6000.
 */
const DOT_ROWS = 40;
/** Below so many multiply-adds waking a second thread costs more than it brings. */
const WORK_PER_THREAD = 32_768;
/** Costs in multiply-adds: packing an element of B, and of A. */
const PACK_B = 16;
const PACK_A = 12;

/** A batched product over row-major matrices. Sizes, leading dimensions and strides count elements. */
export interface ProductShape {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly lda: number;
  readonly ldb: number;
  readonly ldc: number;
  readonly batch: number;
  /** From one matrix of the batch to the next; 0 uses the same one again. */
  readonly strides: readonly [a: number, b: number, c: number];
  readonly accumulate: boolean;
  readonly activation: Activation;
}

export interface ProductOperands {
  readonly a: CpuArgument;
  readonly b: CpuArgument;
  readonly c: CpuArgument;
  /** (N), added to every row. */
  readonly bias?: CpuArgument;
  /** Laid out as C: receives the values before the activation. */
  readonly pre?: CpuArgument;
}

/** An operand that is not there. */
export const ABSENT: CpuArgument = 0;

/** The dispatch of matmul_f32 for this product on so many threads. */
export function productDispatch(
  shape: ProductShape,
  operands: ProductOperands,
  { threads }: Pick<CpuFacts, "threads">,
): KernelDispatch {
  const { M, N, K, batch } = shape;
  const { chunkM, chunkN } = chunks(shape, threads);
  const work = batch * Math.ceil(M / chunkM) * Math.ceil(N / chunkN);
  const perChunk = Math.max(1, Math.min(chunkM, M) * Math.min(chunkN, N) * K);
  const numbers = [
    M,
    N,
    K,
    shape.lda,
    shape.ldb,
    shape.ldc,
    ...shape.strides,
    flagsOf(shape),
    chunkM,
    chunkN,
  ];
  return {
    kernel: "matmul_f32",
    arguments: [
      ...[operands.a, operands.b, operands.c, operands.bias ?? ABSENT, operands.pre ?? ABSENT],
      { scratch: SCRATCH_BYTES },
      ...numbers,
    ],
    work,
    grain: Math.ceil(WORK_PER_THREAD / perChunk),
  };
}

/** Bits as simd.as.ts reads them. */
function flagsOf({ transA, transB, accumulate, activation, M }: ProductShape): number {
  const dot = !transA && transB && M <= DOT_ROWS;
  return (
    (transA ? 1 : 0) |
    (transB ? 2 : 0) |
    (accumulate ? 4 : 0) |
    (dot ? 8 : 0) |
    (activationNumber(activation) << 4)
  );
}

/**
 * Chunk sizes. Threads get contiguous chunk numbers, rows fastest. With one column of chunks every thread
 * packs all of B and its own rows of A; with one row, the reverse; a grid lies between. Of the grids with
 * one cell per thread the one that packs least is taken, cut finer along its rows for even shares.
 */
export function chunks(
  { M, N, batch }: Pick<ProductShape, "M" | "N" | "batch">,
  threads: number,
): { chunkM: number; chunkN: number } {
  if (threads === 1 || batch >= 4 * threads)
    return { chunkM: Math.max(M, 1), chunkN: Math.max(N, 1) };
  let best = { cost: Number.POSITIVE_INFINITY, chunkM: 1, chunkN: 1 };
  for (let columns = 1; columns <= threads; columns++) {
    if (threads % columns !== 0) continue;
    const rows = threads / columns;
    const cellM = roundUp(M / rows, TILE_ROWS);
    const cellN = roundUp(N / columns, TILE_COLUMNS);
    // The busiest thread's share: arithmetic, and what it packs.
    const cost = cellM * cellN + cellN * PACK_B + cellM * PACK_A;
    if (cost >= best.cost) continue;
    if (rows === 1) best = { cost, chunkM: Math.max(M, 1), chunkN: TILE_COLUMNS };
    else best = { cost, chunkM: TILE_ROWS, chunkN: columns === 1 ? Math.max(N, 1) : cellN };
  }
  return best;
}

const roundUp = (x: number, unit: number): number => Math.max(1, Math.ceil(x / unit)) * unit;
