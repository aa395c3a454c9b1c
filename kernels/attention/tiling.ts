// How attention on a GPU is cut into tiles: rows x columns of scores per workgroup, and which part of
// a tile a lane holds.
import type { GpuFacts } from "../op.ts";

/** Scores of one row that a lane holds: consecutive columns, so that they share a draw of dropout. */
export const LANE_COLUMNS = 4;

/** Tiles of `rows` x `columns` scores over `laneRows` x `laneColumns` lanes, for heads up to `width`. */
export interface Tiling {
  readonly width: number;
  readonly rows: number;
  readonly columns: number;
  readonly laneRows: number;
  readonly laneColumns: number;
}

/** The three kernels differ in what they keep in workgroup memory. */
export type TiledKernel = "forward" | "query_gradient" | "key_gradient";

type Shape = Omit<Tiling, "width">;

const shape = (rows: number, columns: number, laneRows: number): Shape => ({
  rows,
  columns,
  laneRows,
  laneColumns: columns / LANE_COLUMNS,
});

/** From the largest on: a score costs the less loads the more of them a lane holds. */
const SHAPES: readonly Shape[] = [
  shape(32, 32, 8),
  shape(16, 32, 8),
  shape(16, 16, 8),
  shape(8, 16, 8),
];

/** Widest head; beyond, a lane's share of a row does not stay in registers. */
const MAX_WIDTH = 256;

/** Quads from row to row in workgroup memory: one more, so that neighbouring rows use other banks. */
export const tileStride = ({ width }: Tiling): number => width / 4 + 1;

/** The same for a tile of weights, whose rows are `columns` long. */
export const weightStride = ({ columns }: Tiling): number => columns / 4 + 1;

export const lanesOf = ({ laneRows, laneColumns }: Tiling): number => laneRows * laneColumns;

/** Rows of a lane. */
export const laneRowsOf = ({ rows, laneRows }: Tiling): number => rows / laneRows;

/** Quads of a row's width that a lane sums up. */
export const laneQuadsOf = ({ width, laneColumns }: Tiling): number => width / 4 / laneColumns;

/** What a record of choices calls it. */
export const nameOf = ({ rows, columns }: Tiling): string => `${rows}x${columns}`;

/** Heads of one class have the same tilings: widths are rounded up to multiples of this, or of twice it. */
export const widthClass = (D: number): number => Math.ceil(D / 16) * 16;

/** Workgroups along one side of a head. */
export const tilesAlong = (extent: number, { rows }: Tiling): number => Math.ceil(extent / rows);

/** Bytes of workgroup memory that a kernel declares. */
export function workgroupBytes(kernel: TiledKernel, tiling: Tiling): number {
  const { rows, columns, laneColumns } = tiling;
  const row = tileStride(tiling) * 16;
  const weights = rows * weightStride(tiling) * 16;
  const partials = rows * laneColumns * 4;
  switch (kernel) {
    case "forward":
      return rows * row + 2 * columns * row + weights + partials + 4 * columns;
    case "query_gradient":
      return 2 * rows * row + 2 * columns * row + weights + partials + 4 * columns;
    case "key_gradient":
      return 2 * rows * row + 2 * columns * row + 2 * weights + 2 * 4 * columns;
  }
}

/**
 * Tilings that fit the adapter, best guess first: as large as workgroup memory allows, but rows of
 * queries (keys in the key gradient) that are few get small tiles, lest lanes idle. Empty where none fits.
 */
export function tilingsFor(
  kernel: TiledKernel,
  D: number,
  rows: number,
  { maxWorkgroupMemory, maxWorkgroupSize }: GpuFacts,
): Tiling[] {
  const fitting = SHAPES.map((one): Tiling => {
    const step = 4 * one.laneColumns;
    return { ...one, width: Math.max(1, Math.ceil(D / step)) * step };
  }).filter(
    (tiling) =>
      tiling.width <= MAX_WIDTH &&
      lanesOf(tiling) <= maxWorkgroupSize &&
      workgroupBytes(kernel, tiling) <= maxWorkgroupMemory,
  );
  const idle = ({ rows: some }: Tiling) => some > 8 && rows <= some / 2;
  return [...fitting.filter((one) => !idle(one)), ...fitting.filter(idle)];
}
