// Products in tiles of C: one workgroup for each.
//
// Memory: A and B are read once per tile of the other; workgroup memory holds a slab of both, K
//   outermost, in quads of rows or columns.
// Work: while a slab is multiplied the next one is already on its way into registers. Blocks of 4 x 4
//   are turned in registers, so that every form meets the same inner loop: two loads of quads for 64
//   multiply-adds of an 8 x 8 lane and step of K. A lane's quads lie a workgroup's width apart:
//   neighbouring lanes then read neighbouring quads, which no bank of memory serves twice.
// Sums: over K in ascending order for every element.
import type { GpuFacts } from "../op.ts";
import type { ProductShape } from "./split.ts";
import { type Access, loadsWgsl } from "./wgsl_operands.ts";
import type { TileKernel, TileSize } from "./wgsl_parts.ts";

/** A workgroup's tile of C, a lane's block in it, and how much of K is in workgroup memory. */
export interface Tile extends TileSize {
  readonly laneRows: number;
  readonly laneColumns: number;
  readonly depth: number;
}

const lanesAcross = ({ columns, laneColumns }: Tile): number => columns / laneColumns;
const lanesDown = ({ rows, laneRows }: Tile): number => rows / laneRows;
const lanesOf = (tile: Tile): number => lanesAcross(tile) * lanesDown(tile);
/** Quads from one step of K to the next: one more than are used, against collisions when storing. */
const pitch = (extent: number): number => extent / 4 + 1;

/** Bytes of workgroup memory. */
const slabBytes = ({ rows, columns, depth }: Tile): number =>
  (pitch(rows) + pitch(columns)) * depth * 16;

export const fits = (tile: Tile, { maxWorkgroupSize, maxWorkgroupMemory }: GpuFacts): boolean =>
  lanesOf(tile) <= maxWorkgroupSize && slabBytes(tile) <= maxWorkgroupMemory;

const tileName = ({ rows, columns, laneRows, laneColumns, depth }: Tile): string =>
  `tile ${rows}x${columns} by ${laneRows}x${laneColumns}, depth ${depth}`;

/** The kernel whose lanes hold blocks of the tile in registers. */
export const registerTile = (tile: Tile, facts: GpuFacts): TileKernel => ({
  ...{ name: tileName(tile), rows: tile.rows, columns: tile.columns, depth: tile.depth },
  ...{ stored: "f32", directives: "" },
  text: (shape, access) => tileWgsl(shape, tile, access, facts),
});

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Steps of K per turn of the inner loop on a GPU; divides every tile's depth. */
const UNROLLED = 4;

/** Step k + u of the inner loop: a lane's block of C from a column of A and a row of B. */
function multiplyWgsl(tile: Tile, sums: readonly (readonly string[])[], u: number): string {
  const quads = (slab: string, name: string, lane: string, extent: number, own: number) =>
    names(name, own / 4).map((quad, i) => {
      const apart = (i * extent) / own;
      return `        let ${quad} = ${slab}[(k + ${u}u) * ${pitch(extent)}u + ${lane} + ${apart}u];`;
    });
  const component = (i: number) => `left${u}_${Math.floor(i / 4)}.${"xyzw"[i % 4]}`;
  return [
    ...quads("slabA", `left${u}_`, "laneRow", tile.rows, tile.laneRows),
    ...quads("slabB", `right${u}_`, "laneColumn", tile.columns, tile.laneColumns),
    ...sums.flatMap((row, i) =>
      row.map(
        (sum, j) => `        ${sum} = fma(vec4<f32>(${component(i)}), right${u}_${j}, ${sum});`,
      ),
    ),
  ].join("\n");
}

function tileWgsl(
  shape: ProductShape,
  tile: Tile,
  access: Access,
  { isSoftware }: GpuFacts,
): string {
  const unrolled = isSoftware ? 1 : UNROLLED;
  const { rows, columns, laneRows, laneColumns, depth } = tile;
  const lanes = lanesOf(tile);
  const sums = Array.from({ length: laneRows }, (_, i) => names(`sum${i}_`, laneColumns / 4));
  const blocksA = (rows * depth) / 16;
  const blocks = blocksA + (columns * depth) / 16;
  const fetched = names("fetched", Math.ceil(blocks / lanes));
  const each = (line: (name: string, block: string) => string): string =>
    fetched.map((name, i) => `      ${line(name, `lane + ${i * lanes}u`)}`).join("\n");
  const across = lanesAcross(tile);
  return `
${loadsWgsl(shape, access)}
var<workgroup> slabA: array<vec4<f32>, ${pitch(rows) * depth}>;
var<workgroup> slabB: array<vec4<f32>, ${pitch(columns) * depth}>;

// Blocks of 4 x 4 are numbered: first those of A, then those of B.
fn stepOf(block: u32) -> u32 {
  if (block < ${blocksA}u) { return ${stepOf("block", rows, depth, !shape.transA)}; }
  return ${stepOf(`(block - ${blocksA}u)`, columns, depth, shape.transB)};
}
fn quadOf(block: u32) -> u32 {
  if (block < ${blocksA}u) { return ${quadOf("block", rows, depth, !shape.transA)}; }
  return ${quadOf(`(block - ${blocksA}u)`, columns, depth, shape.transB)};
}
fn fetch(batch: u32, firstRow: u32, firstColumn: u32, k: u32, block: u32) -> mat4x4<f32> {
  if (block < ${blocksA}u) {
    return blockA(baseA(batch), firstRow + quadOf(block) * 4u, k + stepOf(block));
  }
  if (block < ${blocks}u) {
    return blockB(baseB(batch), firstColumn + quadOf(block) * 4u, k + stepOf(block));
  }
  return mat4x4<f32>();
}
fn keep(block: u32, x: mat4x4<f32>) {
  if (block < ${blocksA}u) {
    let at = stepOf(block) * ${pitch(rows)}u + quadOf(block);
${[0, 1, 2, 3].map((u) => `    slabA[at + ${u * pitch(rows)}u] = x[${u}];`).join("\n")}
  } else if (block < ${blocks}u) {
    let at = stepOf(block) * ${pitch(columns)}u + quadOf(block);
${[0, 1, 2, 3].map((u) => `    slabB[at + ${u * pitch(columns)}u] = x[${u}];`).join("\n")}
  }
}

@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let firstRow = workgroup.y * ${rows}u;
  let firstColumn = workgroup.x * ${columns}u;
  let laneRow = lane / ${across}u;
  let laneColumn = lane % ${across}u;
  for (var job = workgroup.z; job < batches() * parts(); job += workgroups.z) {
    let batch = job % batches();
    let begin = job / batches() * partDepth();
    let end = min(begin + partDepth(), sizeK());
${sums
  .flat()
  .map((sum) => `    var ${sum} = vec4<f32>();`)
  .join("\n")}
    for (var k0 = begin; ; k0 += ${depth}u) {
      // On its way while the slab before is multiplied; past the end there is nothing to load.
${each((name, block) => `let ${name} = fetch(batch, firstRow, firstColumn, k0, ${block});`)}
      if (k0 > begin) {
        workgroupBarrier();
        let depth = min(${depth}u, end + ${depth}u - k0);
        for (var k = 0u; k < depth; k += ${unrolled}u) {
${Array.from({ length: unrolled }, (_, u) => multiplyWgsl(tile, sums, u)).join("\n")}
        }
        workgroupBarrier();
      }
      if (k0 >= end) { break; }
${each((name, block) => `keep(${block}, ${name});`)}
    }
    // A loop, so that compilers see bias and activation once instead of for every element.
    var block = array<vec4<f32>, ${sums.flat().length}>(${sums.flat().join(", ")});
    for (var i = 0u; i < ${sums.flat().length}u; i++) {
      let own = i / ${laneColumns / 4}u;
      let row = firstRow + (laneRow + own / 4u * ${lanesDown(tile)}u) * 4u + own % 4u;
      let column = firstColumn + (laneColumn + i % ${laneColumns / 4}u * ${across}u) * 4u;
      storeQuad(job, row, column, block[i]);
    }
  }
}`;
}

/** First step of K and quad of a block. Neighbouring lanes take neighbours in memory. */
const stepOf = (block: string, extent: number, depth: number, alongK: boolean): string =>
  alongK ? `${block} % ${depth / 4}u * 4u` : `${block} / ${extent / 4}u * 4u`;

const quadOf = (block: string, extent: number, depth: number, alongK: boolean): string =>
  alongK ? `${block} / ${depth / 4}u` : `${block} % ${extent / 4}u`;
