// Products of halves by the matrix units of a GPU: f16 x f16, summed in f32.
//
// Memory: A and B are read once per tile of the other; workgroup memory holds a slab of both as they lie,
//   a little apart so that no bank of memory serves neighbouring lines, and one matrix of sums per
//   subgroup on its way to C.
// Work: a workgroup computes a tile of C, each of its subgroups a block of matrices. While a slab is
//   multiplied the next one is already on its way into registers.
// Sums: in f32, over K in the order of the matrix unit.
import type { GpuFacts, SubgroupMatrix } from "../op.ts";
import {
  type Layout,
  loadMatrix,
  matrixType,
  multiplyAdd,
  storeSums,
  subgroupNumber,
} from "../subgroup_matrix_wgsl.ts";
import type { ProductShape } from "./split.ts";
import { type Access, loadsWgsl } from "./wgsl_operands.ts";
import type { TileKernel } from "./wgsl_parts.ts";

/**
 * A tile: so many subgroups down and across, the matrices of C that each of them has, and how many
 * matrices along K are in workgroup memory.
 */
export interface MatrixTile {
  readonly subgroups: readonly [down: number, across: number];
  readonly block: readonly [down: number, across: number];
  readonly deep: number;
}

/** Halves between the ends of lines: 16 bytes, to which matrices in memory must be aligned. */
const APART = 8;

/** How one operand's slab lies: lines of K where K is contiguous, else lines of rows or columns. */
interface Slab {
  /** Of a line, and from one to the next. */
  readonly length: number;
  readonly pitch: number;
  readonly lines: number;
  readonly alongK: boolean;
}

const slabOf = (alongK: boolean, extent: number, depth: number): Slab => {
  const [length, lines] = alongK ? [depth, extent] : [extent, depth];
  return { length, pitch: length + APART, lines, alongK };
};

/** The same in rows, columns and steps of K. */
function sizesOf({ subgroups, block, deep }: MatrixTile, { M, N, K }: SubgroupMatrix) {
  const [blockRows, blockColumns] = [block[0] * M, block[1] * N];
  return {
    ...{ blockRows, blockColumns, depth: deep * K },
    ...{ rows: subgroups[0] * blockRows, columns: subgroups[1] * blockColumns },
  };
}

const subgroupsOf = ({ subgroups: [down, across] }: MatrixTile): number => down * across;

/** Both slabs at their longest, and a matrix of sums for each subgroup; in bytes. */
function workgroupMemory(tile: MatrixTile, matrix: SubgroupMatrix): number {
  const { rows, columns, depth } = sizesOf(tile, matrix);
  const slab = (extent: number) => Math.max((extent + APART) * depth, extent * (depth + APART)) * 2;
  return slab(rows) + slab(columns) + subgroupsOf(tile) * matrix.M * matrix.N * 4;
}

/** The kernel of this tile, where the adapter has subgroup matrices and room for it. */
export function matrixTile(tile: MatrixTile, facts: GpuFacts): TileKernel | undefined {
  const { subgroupMatrix: matrix, subgroups, maxWorkgroupSize, maxWorkgroupMemory } = facts;
  if (!matrix || !subgroups) return undefined;
  const lanes = subgroupsOf(tile) * subgroups.max;
  if (lanes > maxWorkgroupSize || workgroupMemory(tile, matrix) > maxWorkgroupMemory) {
    return undefined;
  }
  const { rows, columns, blockRows, blockColumns, depth } = sizesOf(tile, matrix);
  return {
    name: `matrices ${rows}x${columns} by ${blockRows}x${blockColumns}, depth ${depth}`,
    ...{ rows, columns, depth, stored: "f16", directives: subgroupNumber(matrix).directives },
    text: (shape, access) =>
      matrixWgsl(shape, tile, access, matrix, lanes, subgroups.min === subgroups.max),
  };
}

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);

function matrixWgsl(
  shape: ProductShape,
  tile: MatrixTile,
  access: Access,
  matrix: SubgroupMatrix,
  lanes: number,
  widthIsFixed: boolean,
): string {
  const { rows, columns, blockRows, blockColumns, depth } = sizesOf(tile, matrix);
  const [, across] = tile.subgroups;
  const slabA = slabOf(!shape.transA, rows, depth);
  const slabB = slabOf(shape.transB, columns, depth);
  const [down, right] = tile.block.map(count);
  const all = down.flatMap((i) => right.map((j) => [i, j] as const));
  const number = subgroupNumber(matrix);
  const fetches = [fetchWgsl("A", slabA, lanes), fetchWgsl("B", slabB, lanes)];
  // Where subgroups may be narrower than the widest there are more of them than blocks.
  const working = (text: string) =>
    widthIsFixed ? text : `if (own < ${subgroupsOf(tile)}u) {\n${text}\n}`;
  return `
${loadsWgsl(shape, access, "f16")}
${fetches.map(({ declarations }) => declarations).join("\n")}
var<workgroup> finished: array<f32, ${subgroupsOf(tile) * matrix.M * matrix.N}>;

// One matrix of every subgroup, that \`row\` and \`column\` into its block, on its way to C.
fn storeFinished(job: u32, firstRow: u32, firstColumn: u32, lane: u32, row: u32, column: u32) {
  for (var quad = lane; quad < ${(subgroupsOf(tile) * matrix.M * matrix.N) / 4}u; quad += ${lanes}u) {
    let owner = quad / ${(matrix.M * matrix.N) / 4}u;
    let inside = quad % ${(matrix.M * matrix.N) / 4}u;
    let sums = vec4<f32>(finished[quad * 4u], finished[quad * 4u + 1u], finished[quad * 4u + 2u], finished[quad * 4u + 3u]);
    storeQuad(
      job,
      firstRow + owner / ${across}u * ${blockRows}u + row + inside / ${matrix.N / 4}u,
      firstColumn + owner % ${across}u * ${blockColumns}u + column + inside % ${matrix.N / 4}u * 4u,
      sums,
    );
  }
}

@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
  ${number.parameter},
) {
  ${number.statement}
  let firstRow = workgroup.y * ${rows}u;
  let firstColumn = workgroup.x * ${columns}u;
  let ownRow = own / ${across}u * ${blockRows}u;
  let ownColumn = own % ${across}u * ${blockColumns}u;
  for (var job = workgroup.z; job < batches() * parts(); job += workgroups.z) {
    let batch = job % batches();
    let begin = job / batches() * partDepth();
    let end = min(begin + partDepth(), sizeK());
${all.map(([i, j]) => `    var sums${i}_${j} = ${matrixType("result", matrix)}();`).join("\n")}
    for (var k0 = begin; ; k0 += ${depth}u) {
      // On its way while the slab before is multiplied; past the end there is nothing to load.
${fetches.map(({ fetch }) => fetch).join("\n")}
      if (k0 > begin) {
        workgroupBarrier();
${working(multiplyWgsl(slabA, slabB, matrix, depth, down, right))}
        workgroupBarrier();
      }
      if (k0 >= end) { break; }
${fetches.map(({ keep }) => keep).join("\n")}
    }
${all
  .map(
    ([
      i,
      j,
    ]) => `    ${working(storeSums(matrix, "finished", `own * ${matrix.M * matrix.N}u`, `sums${i}_${j}`, matrix.N))}
    workgroupBarrier();
    storeFinished(job, firstRow, firstColumn, lane, ${i * matrix.M}u, ${j * matrix.N}u);
    workgroupBarrier();`,
  )
  .join("\n")}
  }
}`;
}

/** A slab, how its quads are fetched by the lanes, and how they are kept once the slab before is done with. */
function fetchWgsl(
  name: "A" | "B",
  { length, pitch, lines, alongK }: Slab,
  lanes: number,
): { readonly declarations: string; readonly fetch: string; readonly keep: string } {
  const quads = (length * lines) / 4;
  const first = name === "A" ? "firstRow" : "firstColumn";
  const place = (quad: string) => [`${quad} / ${length / 4}u`, `${quad} % ${length / 4}u * 4u`];
  const each = (line: (i: number, quad: string) => string) =>
    count(Math.ceil(quads / lanes))
      .map((i) => `      ${line(i, `lane + ${i * lanes}u`)}`)
      .join("\n");
  const [line, at] = place("quad");
  const [i, k] = alongK ? [line, at] : [at, line];
  const isInside = quads % lanes === 0 ? "" : `if (quad >= ${quads}u) { return; }`;
  return {
    declarations: `
var<workgroup> slab${name}: array<f16, ${pitch * lines}>;
fn fetch${name}(base: u32, first: u32, k: u32, quad: u32) -> vec4<f16> {
  return quad${name}(base, first + ${i}, k + ${k});
}
fn keep${name}(quad: u32, x: vec4<f16>) {
  ${isInside}
  let at = ${line} * ${pitch}u + ${at};
${count(4)
  .map((u) => `  slab${name}[at + ${u}u] = x[${u}];`)
  .join("\n")}
}`,
    fetch: each(
      (i, quad) =>
        `let fetched${name}${i} = fetch${name}(base${name}(batch), ${first}, k0, ${quad});`,
    ),
    keep: each((i, quad) => `keep${name}(${quad}, fetched${name}${i});`),
  };
}

/** A subgroup's block of C from a slab: every matrix of A by every one of B, step by step along K. */
function multiplyWgsl(
  slabA: Slab,
  slabB: Slab,
  matrix: SubgroupMatrix,
  depth: number,
  down: readonly number[],
  right: readonly number[],
): string {
  const load = (side: "left" | "right", slab: Slab, own: string, step: number) => {
    const at = `${own} + ${step}u`;
    const offset = slab.alongK ? `(${at}) * ${slab.pitch}u + k` : `k * ${slab.pitch}u + ${at}`;
    // Of A, lines of K are rows; of B they are columns.
    const layout: Layout = slab.alongK === (side === "left") ? "row_major" : "col_major";
    const array = side === "left" ? "slabA" : "slabB";
    return loadMatrix(matrix, side, array, offset, layout, slab.pitch);
  };
  return `        for (var k = 0u; k < ${depth}u; k += ${matrix.K}u) {
${down.map((i) => `          let left${i} = ${load("left", slabA, "ownRow", i * matrix.M)};`).join("\n")}
${right.map((j) => `          let right${j} = ${load("right", slabB, "ownColumn", j * matrix.N)};`).join("\n")}
${down
  .flatMap((i) =>
    right.map((j) => `          ${multiplyAdd(`left${i}`, `right${j}`, `sums${i}_${j}`)}`),
  )
  .join("\n")}
        }`;
}
