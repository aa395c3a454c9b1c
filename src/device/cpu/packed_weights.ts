// Weights that do not change while a program lives, laid out so that BLAS need not pack them at every
// call: W (N, K) becomes panels of PANEL columns of W^T, each (K, PANEL) row-major and the last one
// narrower. OpenBLAS multiplies operands this small where they lie (`hasSmallKernels`).
import type { Heap } from "../../wasm/heap.ts";
import type { Sgemm } from "./blas.ts";

/** Columns of a panel, and rows that are multiplied with one at a time: the fastest of those tried. */
export const PANEL = 64;
const ROWS = 40;
/** Rows that meet one panel after another before the next rows: they stay in the second-level cache. */
const ROW_BLOCK = 160;
/** OpenBLAS leaves operands where they lie up to so many multiply-adds. */
const SMALL_PRODUCT = 1_000_000;
const DEPTH = 256;

/** Where a weight lies, in bytes, and its sizes, in elements. */
export interface WeightPlace {
  readonly address: number;
  readonly N: number;
  readonly K: number;
  readonly ld: number;
}

interface Entry {
  readonly weight: WeightPlace;
  readonly address: number;
  users: number;
}

export class PackedWeights {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly heap: Heap,
    private readonly memory: WebAssembly.Memory,
  ) {}

  /** Address of the packed weight, which stays until it was released as often as it was taken. */
  take(weight: WeightPlace): number {
    const key = keyOf(weight);
    let entry = this.entries.get(key);
    if (!entry) {
      const address = this.heap.allocate(weight.N * weight.K * 4);
      entry = { weight, address, users: 0 };
      this.pack(entry);
      this.entries.set(key, entry);
    }
    entry.users++;
    return entry.address;
  }

  release(weight: WeightPlace): void {
    const key = keyOf(weight);
    const entry = this.entries.get(key);
    if (!entry || --entry.users > 0) return;
    this.heap.release(entry.address);
    this.entries.delete(key);
  }

  /** To be called when bytes from `start` to `end` have changed. */
  refresh(start: number, end: number): void {
    for (const entry of this.entries.values()) {
      const { address, N, ld } = entry.weight;
      if (address < end && start < address + N * ld * 4) this.pack(entry);
    }
  }

  private pack({ weight: { address, N, K, ld }, address: to }: Entry): void {
    const { buffer } = this.memory;
    const from = new Float32Array(buffer, address, (N - 1) * ld + K);
    const packed = new Float32Array(buffer, to, N * K);
    for (let n0 = 0; n0 < N; n0 += PANEL) {
      const width = Math.min(PANEL, N - n0);
      for (let n = 0; n < width; n++) {
        const row = (n0 + n) * ld;
        for (let k = 0, at = n0 * K + n; k < K; k++, at += width) packed[at] = from[row + k];
      }
    }
  }
}

const keyOf = ({ address, N, K, ld }: WeightPlace): string => `${address}:${N}:${K}:${ld}`;

/** A product with a packed weight: addresses in bytes, sizes in elements. */
export interface PanelProduct {
  readonly a: number;
  readonly lda: number;
  readonly panels: number;
  readonly c: number;
  readonly ldc: number;
  readonly N: number;
  readonly K: number;
}

/**
 * Rows [m0, m1) and columns [n0, n1) of C (M, N) = A W^T. The sum of an element runs over k upwards in
 * blocks of DEPTH or over all of K, which depends on K alone.
 */
export function multiplyPanels(
  sgemm: Sgemm,
  { a, lda, panels, c, ldc, N, K }: PanelProduct,
  [m0, m1]: readonly [number, number],
  [n0, n1]: readonly [number, number],
): void {
  const depth = ROWS * PANEL * K <= SMALL_PRODUCT ? K : DEPTH;
  for (let block = m0; block < m1; block += ROW_BLOCK) {
    const end = Math.min(m1, block + ROW_BLOCK);
    for (let n = n0; n < n1; ) {
      const first = n - (n % PANEL);
      const width = Math.min(PANEL, N - first);
      const columns = Math.min(first + width, n1) - n;
      const panel = panels + (first * K + n - first) * 4;
      for (let m = block; m < end; m += ROWS) {
        const rows = Math.min(ROWS, end - m);
        const to = c + (m * ldc + n) * 4;
        for (let k = 0; k < K; k += depth) {
          const from = a + (m * lda + k) * 4;
          const deep = Math.min(depth, K - k);
          const weight = panel + k * width * 4;
          const beta = k > 0 ? 1 : 0;
          sgemm(false, false, rows, columns, deep, from, lda, weight, width, beta, to, ldc);
        }
      }
      n += columns;
    }
  }
}

/** Most rows of A for which `multiplyRows` is worth its while, and rows and columns of its pieces. */
export const FEW_ROWS = 96;
const PIECE_ROWS = 12;

/**
 * C (M, N) = A B^T for few rows, in pieces small enough that BLAS packs nothing. All leading dimensions
 * are in elements.
 */
export function multiplyRows(
  sgemm: Sgemm,
  M: number,
  N: number,
  K: number,
  [a, lda]: readonly [number, number],
  [b, ldb]: readonly [number, number],
  [c, ldc]: readonly [number, number],
): void {
  const fitting = Math.floor(SMALL_PRODUCT / (PIECE_ROWS * K * 16)) * 16;
  const width = Math.max(16, Math.min(PANEL, fitting));
  for (let n = 0; n < N; n += width) {
    const columns = Math.min(width, N - n);
    for (let m = 0; m < M; m += PIECE_ROWS) {
      const rows = Math.min(PIECE_ROWS, M - m);
      const to = c + (m * ldc + n) * 4;
      sgemm(false, true, rows, columns, K, a + m * lda * 4, lda, b + n * ldb * 4, ldb, 0, to, ldc);
    }
  }
}
