// Matrix products for WebGPU, C = act(op(A) op(B) + bias): which kernels may serve a shape.
//
// Memory: reads A, B, bias; overwrites C (adds to it when accumulating) and `pre`; never in place.
// Work: small products, one invocation per element; else tiles in registers (wgsl_tiles.ts) or, of
//   halves, in matrix units (wgsl_matrices.ts), or few rows (wgsl_rows.ts), whichever the device has
//   found to be fastest; see GpuChoice.
import type { GpuCandidate, GpuChoice, GpuDispatch, GpuFacts } from "../op.ts";
import { classEnd, ELEMENT_INDEX, ENTRY, elementWorkgroups } from "../wgsl.ts";
import type { ProductShape } from "./split.ts";
import { type MatrixTile, matrixTile } from "./wgsl_matrices.ts";
import {
  accessOf,
  endWgsl,
  type GpuProductOperands,
  loadsWgsl,
  operandBindings,
  operandNames,
  productParams,
} from "./wgsl_operands.ts";
import { inTiles, type TileKernel, workgroupsOf } from "./wgsl_parts.ts";
import { byRows, fitsRows, type RowBlock } from "./wgsl_rows.ts";
import { fits, registerTile, type Tile } from "./wgsl_tiles.ts";

/**
 * The larger, the more arithmetic per element loaded; the smaller, the more workgroups. Depths leave each
 * lane one block of 4 x 4 to load: more would take registers, and software adapters seconds to compile.
 */
const SQUARES: readonly Tile[] = [
  { rows: 128, columns: 128, laneRows: 8, laneColumns: 8, depth: 16 },
  { rows: 128, columns: 64, laneRows: 8, laneColumns: 8, depth: 8 },
  { rows: 64, columns: 128, laneRows: 8, laneColumns: 8, depth: 8 },
  { rows: 64, columns: 64, laneRows: 8, laneColumns: 8, depth: 8 },
  { rows: 64, columns: 64, laneRows: 4, laneColumns: 8, depth: 16 },
  { rows: 32, columns: 32, laneRows: 4, laneColumns: 4, depth: 16 },
];
const FLAT: Tile = { rows: 16, columns: 64, laneRows: 4, laneColumns: 4, depth: 8 };
const TALL: Tile = { rows: 64, columns: 16, laneRows: 4, laneColumns: 4, depth: 8 };

/** Of halves, where the adapter has units for them: 128 x 128 down to 32 x 32 with matrices of 16 x 16. */
const MATRICES: readonly MatrixTile[] = [
  { subgroups: [2, 2], block: [4, 4], deep: 2 },
  { subgroups: [2, 2], block: [4, 4], deep: 1 },
  { subgroups: [2, 2], block: [4, 2], deep: 2 },
  { subgroups: [2, 2], block: [2, 4], deep: 2 },
  { subgroups: [2, 2], block: [2, 2], deep: 2 },
  { subgroups: [2, 1], block: [1, 2], deep: 2 },
];

/** Cut along K, for long sums with a small result: the gradients of weights. */
const CUT: readonly (readonly [tile: Tile, parts: number])[] = [
  [SQUARES[0], 4],
  [SQUARES[4], 4],
  [SQUARES[4], 8],
];
const CUT_MATRICES: readonly (readonly [tile: MatrixTile, parts: number])[] = [
  [MATRICES[0], 4],
  [MATRICES[4], 4],
  [MATRICES[4], 8],
];

const ROWS: readonly RowBlock[] = [
  { rows: 1, columns: 1 },
  { rows: 1, columns: 4 },
  { rows: 4, columns: 2 },
  { rows: 8, columns: 2 },
];

/** Up to so many rows, or columns, a product is narrow. A power of two, as classes of sizes end there. */
const NARROW = 16;

/** Workgroups that keep a large adapter's cores busy. */
const ENOUGH_WORKGROUPS = 64;

/** Results of at most so many elements leave a large adapter idle, unless long sums are cut. */
const LONELY = 2 ** 21;
const LONG = 1024;

/** Below so many multiply-adds a product gains nothing from tiles, and compiles faster without. */
const SMALL = 32_768;

/** The kernels of a batched product. Empty products of K = 0 still write bias and activation. */
export function productWgsl(
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuDispatch | GpuChoice {
  const { M, N, K, batch } = shape;
  if (batch * M * N * K <= SMALL) return small(shape, operands, facts);
  return {
    shapeClass: shapeClass(shape, operands),
    candidates: candidatesOf(shape, operands, facts),
  };
}

/** The best guess first. */
function candidatesOf(
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuCandidate[] {
  const { M, N, transA } = shape;
  const tile = (each: Tile) => inTiles(registerTile(each, facts), 1, shape, operands, facts);
  if (M <= NARROW) {
    const blocks = transA ? [] : ROWS.filter((block) => fitsRows(block, facts));
    const enough = blocks.find(({ rows }) => rows >= M) ?? blocks[blocks.length - 1];
    const ordered = enough ? [enough, ...blocks.filter((block) => block !== enough)] : [];
    return [...ordered.map((block) => byRows(block, shape, operands, facts)), tile(FLAT)];
  }
  if (N <= NARROW) return [tile(TALL)];
  return tilesOf(shape, operands, facts);
}

/** In tiles: matrix units before registers on a GPU, whole sums before those that are cut. */
function tilesOf(
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuCandidate[] {
  const { M, N, K, batch } = shape;
  const register = (tile: Tile) => (fits(tile, facts) ? registerTile(tile, facts) : undefined);
  const matrices = (tile: MatrixTile) => (operands.areHalves ? matrixTile(tile, facts) : undefined);
  const present = (kernels: readonly (TileKernel | undefined)[]) =>
    kernels.filter((kernel) => kernel !== undefined);
  const lonely = classEnd(M) * classEnd(N) * classEnd(batch) <= LONELY && classEnd(K) >= LONG;
  const cut = lonely
    ? [
        ...CUT_MATRICES.map(([tile, parts]) => ({ kernel: matrices(tile), parts })),
        ...CUT.map(([tile, parts]) => ({ kernel: register(tile), parts })),
      ]
    : [];
  const inUnits = busiestFirst(present(MATRICES.map(matrices)), shape);
  const inRegisters = busiestFirst(present(SQUARES.map(register)), shape);
  // A software adapter has no such units, even where it says so.
  const ordered = facts.isSoftware ? [...inRegisters, ...inUnits] : [...inUnits, ...inRegisters];
  return ordered
    .map((kernel) => inTiles(kernel, 1, shape, operands, facts))
    .concat(
      cut.flatMap(({ kernel, parts }) =>
        kernel ? [inTiles(kernel, parts, shape, operands, facts)] : [],
      ),
    );
}

/** The largest tile that still keeps a large adapter busy comes first. */
function busiestFirst(kernels: readonly TileKernel[], shape: ProductShape): readonly TileKernel[] {
  const busy = (kernel: TileKernel) => workgroupsOf(kernel, shape) >= ENOUGH_WORKGROUPS;
  const first = kernels.find(busy) ?? kernels.at(-1);
  return first ? [first, ...kernels.filter((each) => each !== first)] : [];
}

/** All that the kernels' texts depend on, and sizes to the next power of two. */
function shapeClass(shape: ProductShape, operands: GpuProductOperands): string {
  const { transA, transB, accumulate, activation, M, N, K, batch } = shape;
  const form = `${transA ? "A^T" : "A"} ${transB ? "B^T" : "B"}`;
  const [, , , ...more] = operandNames(operands);
  const end = [activation, ...more, ...(accumulate ? ["accumulated"] : [])].join("+");
  const sizes = [M, N, K].map(classEnd).join("x");
  return `${form} ${sizes} by ${classEnd(batch)}, ${end}, ${accessOf(shape)}`;
}

/** One invocation per element. */
const small = (
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuDispatch => ({
  code: `
${endWgsl(shape, operandNames(operands), "scalar")}
${loadsWgsl(shape, "scalar")}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  let size = sizeM() * sizeN();
  if (i >= batches() * size) { return; }
  let batch = i / size;
  let row = (i / sizeN()) % sizeM();
  let column = i % sizeN();
  var sum = 0.0;
  for (var k = 0u; k < sizeK(); k++) {
    sum = fma(elementA(baseA(batch), row, k), elementB(baseB(batch), column, k), sum);
  }
  storeElement(batch, row, column, sum);
}`,
  bindings: operandBindings(operands),
  params: productParams(shape),
  workgroups: elementWorkgroups(shape.batch * shape.M * shape.N, facts),
});
