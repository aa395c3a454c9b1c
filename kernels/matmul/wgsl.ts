// Matrix products for WebGPU, C = act(op(A) op(B) + bias): which kernels may serve a shape.
//
// Memory: reads A, B, bias; overwrites C (adds to it when accumulating) and `pre`; never in place.
// Work: small products, one invocation per element; else tiles (wgsl_tiles.ts) or few rows
//   (wgsl_rows.ts), whichever the device has found to be fastest; see GpuChoice.
import type { GpuCandidate, GpuChoice, GpuDispatch, GpuFacts } from "../op.ts";
import { classEnd, ELEMENT_INDEX, ENTRY, elementWorkgroups } from "../wgsl.ts";
import type { ProductShape } from "./split.ts";
import {
  accessOf,
  endWgsl,
  type GpuProductOperands,
  loadsWgsl,
  operandBindings,
  operandNames,
  productParams,
} from "./wgsl_operands.ts";
import { byRows, fitsRows, type RowBlock } from "./wgsl_rows.ts";
import { fits, type Tile, tiled, workgroupsOf } from "./wgsl_tiles.ts";

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

/** Cut along K, for long sums with a small result: the gradients of weights. */
const CUT: readonly (readonly [tile: Tile, parts: number])[] = [
  [SQUARES[0], 4],
  [SQUARES[4], 4],
  [SQUARES[4], 8],
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
  const { M, N, K, batch, transA } = shape;
  const tile = (each: Tile) => tiled(each, 1, shape, operands, facts);
  if (M <= NARROW) {
    const blocks = transA ? [] : ROWS.filter((block) => fitsRows(block, facts));
    const enough = blocks.find(({ rows }) => rows >= M) ?? blocks[blocks.length - 1];
    const ordered = enough ? [enough, ...blocks.filter((block) => block !== enough)] : [];
    return [...ordered.map((block) => byRows(block, shape, operands, facts)), tile(FLAT)];
  }
  if (N <= NARROW) return [tile(TALL)];
  const squares = SQUARES.filter((each) => fits(each, facts));
  const lonely = classEnd(M) * classEnd(N) * classEnd(batch) <= LONELY && classEnd(K) >= LONG;
  const busy = (each: Tile) => workgroupsOf(each, shape) >= ENOUGH_WORKGROUPS;
  const first = squares.find(busy) ?? squares[squares.length - 1];
  return [
    ...[first, ...squares.filter((each) => each !== first)].map(tile),
    ...(lonely ? CUT : [])
      .filter(([each]) => fits(each, facts))
      .map(([each, parts]) => tiled(each, parts, shape, operands, facts)),
  ];
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
