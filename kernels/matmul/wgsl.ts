// Matrix products for WebGPU, C = act(op(A) op(B) + bias).
//
// Memory: reads A, B, bias; overwrites C (adds to it when accumulating) and `pre`; never in place.
// Work: small products, one invocation per element. Else one workgroup per tile of C, one batch entry
//   per z. It walks over K in slabs: all lanes load
//   a slab of A and B into workgroup memory, turned so that K is outermost, then each lane
//   multiplies its own block of 4s in registers.
// Sums: over K in ascending order for every element, whatever the tile.

import { activateWgsl } from "../elementwise/wgsl.ts";
import type { GpuBinding, GpuDispatch, GpuFacts } from "../op.ts";
import { declareBindings, ELEMENT_INDEX, ENTRY, elementWorkgroups, packParams } from "../wgsl.ts";
import type { ProductShape } from "./split.ts";

export interface GpuProductOperands {
  readonly a: GpuBinding;
  readonly b: GpuBinding;
  readonly c: GpuBinding;
  /** (N), added to every row. */
  readonly bias?: GpuBinding;
  /** Laid out as C: receives the values before the activation. */
  readonly pre?: GpuBinding;
}

/** A workgroup's tile of C, a lane's block in it, and how much of K is in workgroup memory. */
interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly laneRows: number;
  readonly laneColumns: number;
  readonly depth: number;
}

const flat: Tile = { rows: 16, columns: 64, laneRows: 4, laneColumns: 4, depth: 16 };
const tall: Tile = { rows: 64, columns: 16, laneRows: 4, laneColumns: 4, depth: 16 };

/** The larger, the more arithmetic per element loaded; the smaller, the more workgroups. */
const squares: readonly Tile[] = [
  { rows: 128, columns: 128, laneRows: 8, laneColumns: 8, depth: 8 },
  { rows: 64, columns: 64, laneRows: 4, laneColumns: 8, depth: 8 },
  { rows: 32, columns: 32, laneRows: 4, laneColumns: 4, depth: 16 },
];

/** Workgroups that keep a large adapter's cores busy. */
const ENOUGH_WORKGROUPS = 64;

function chooseTile({ M, N, batch }: ProductShape): Tile {
  if (M <= flat.rows) return flat;
  if (N <= tall.columns) return tall;
  const workgroups = ({ rows, columns }: Tile) =>
    Math.ceil(M / rows) * Math.ceil(N / columns) * batch;
  const busy = squares.find((tile) => workgroups(tile) >= ENOUGH_WORKGROUPS);
  return busy ?? squares[squares.length - 1];
}

/** Below so many multiply-adds a product gains nothing from tiles, and compiles faster without. */
const SMALL = 32_768;

/** The dispatch of a batched product. Empty products of K = 0 still write bias and activation. */
export function productWgsl(
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuDispatch {
  const { M, N, K, lda, ldb, ldc, batch, strides } = shape;
  const bindings = [operands.a, operands.b, operands.c];
  const arrays = ["a", "b", "c"];
  for (const name of ["bias", "pre"] as const) {
    const binding = operands[name];
    if (!binding) continue;
    bindings.push(binding);
    arrays.push(name);
  }
  const shared = sharedWgsl(shape, arrays);
  const params = packParams(M, N, K, lda, ldb, ldc, ...strides, batch);
  if (batch * M * N * K <= SMALL) {
    const workgroups = elementWorkgroups(batch * M * N, facts);
    return { code: `${shared}${smallWgsl}`, bindings, params, workgroups };
  }
  const tile = chooseTile(shape);
  return {
    code: `${shared}${tiledWgsl(shape, tile)}`,
    bindings,
    params,
    workgroups: [
      Math.ceil(N / tile.columns),
      Math.ceil(M / tile.rows),
      Math.min(batch, facts.maxWorkgroupsPerDimension),
    ],
  };
}

/** What both kernels start with: operands, sizes, loads that know the form, the store that ends. */
const sharedWgsl = (
  { transA, transB, accumulate, activation }: ProductShape,
  arrays: readonly string[],
): string => `
${declareBindings(
  arrays.map((name) => [name, "f32"]),
  3,
)}
${activation === "linear" ? "" : activateWgsl(activation)}
${loadElement("A", "a", transA, "params[0].x", "params[0].w")}
${loadElement("B", "b", !transB, "params[0].y", "params[1].x")}
fn baseA(batch: u32) -> u32 { return batch * params[1].z; }
fn baseB(batch: u32) -> u32 { return batch * params[1].w; }
fn storeElement(batch: u32, row: u32, column: u32, sum: f32) {
  let at = batch * params[2].x + row * params[1].y + column;
  let x = sum${arrays.includes("bias") ? " + bias[column]" : ""};
  ${arrays.includes("pre") ? "pre[at] = x;" : ""}
  c[at] ${accumulate ? "+=" : "="} ${activation === "linear" ? "x" : "activate(x)"};
}
`;

/** `loadX(base, i, k)`: element of op(X) in row (A) or column (B) i; 0 outside. */
const loadElement = (
  name: string,
  array: string,
  turned: boolean,
  count: string,
  stride: string,
): string => `
fn load${name}(base: u32, i: u32, k: u32) -> f32 {
  if (i < ${count} && k < params[0].z) {
    return ${array}[base + ${turned ? `k * ${stride} + i` : `i * ${stride} + k`}];
  }
  return 0.0;
}`;

/** One invocation per element. */
const smallWgsl = `
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  let M = params[0].x;
  let N = params[0].y;
  if (i >= params[2].y * M * N) { return; }
  let batch = i / (M * N);
  let row = (i / N) % M;
  let column = i % N;
  var sum = 0.0;
  for (var k = 0u; k < params[0].z; k++) {
    sum = fma(loadA(baseA(batch), row, k), loadB(baseB(batch), column, k), sum);
  }
  storeElement(batch, row, column, sum);
}`;

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

/** Steps of K per turn of the inner loop; divides every tile's depth. */
const UNROLLED = 4;

/** Step k + u of the inner loop: a lane's block of C from a column of A and a row of B. */
function multiplyWgsl(tile: Tile, sums: readonly (readonly string[])[], u: number): string {
  const quads = (slab: string, name: string, lane: string, extent: number, count: number) =>
    names(name, count).map(
      (quad, i) => `        let ${quad} = ${slab}[(k + ${u}u) * ${extent / 4}u + ${lane} + ${i}u];`,
    );
  const component = (i: number) => `left${u}_${Math.floor(i / 4)}.${"xyzw"[i % 4]}`;
  return [
    ...quads("slabA", `left${u}_`, "laneRow", tile.rows, tile.laneRows / 4),
    ...quads("slabB", `right${u}_`, "laneColumn", tile.columns, tile.laneColumns / 4),
    ...sums.flatMap((row, i) =>
      row.map(
        (sum, j) => `        ${sum} = fma(vec4<f32>(${component(i)}), right${u}_${j}, ${sum});`,
      ),
    ),
  ].join("\n");
}

function tiledWgsl({ transA, transB }: ProductShape, tile: Tile): string {
  const lanesAcross = tile.columns / tile.laneColumns;
  const lanes = lanesAcross * (tile.rows / tile.laneRows);
  const sums = Array.from({ length: tile.laneRows }, (_, i) =>
    names(`sum${i}_`, tile.laneColumns / 4),
  );
  return `
var<workgroup> slabA: array<vec4<f32>, ${(tile.rows / 4) * tile.depth}>;
var<workgroup> slabB: array<vec4<f32>, ${(tile.columns / 4) * tile.depth}>;

@compute @workgroup_size(${lanes})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let M = params[0].x; let N = params[0].y; let K = params[0].z;
  let firstRow = workgroup.y * ${tile.rows}u;
  let firstColumn = workgroup.x * ${tile.columns}u;
  let laneRow = (lane / ${lanesAcross}u) * ${tile.laneRows / 4}u;
  let laneColumn = (lane % ${lanesAcross}u) * ${tile.laneColumns / 4}u;
  for (var batch = workgroup.z; batch < params[2].y; batch += workgroups.z) {
${sums
  .flat()
  .map((sum) => `    var ${sum} = vec4<f32>();`)
  .join("\n")}
    for (var k0 = 0u; k0 < K; k0 += ${tile.depth}u) {
${loadSlab("A", "slabA", tile.rows, tile.depth, lanes, !transA, "firstRow")}
${loadSlab("B", "slabB", tile.columns, tile.depth, lanes, transB, "firstColumn")}
      workgroupBarrier();
      // Unrolled by hand, and no further: software adapters take seconds to compile what they unroll.
      let depth = min(${tile.depth}u, K - k0);
      for (var k = 0u; k < depth; k += ${UNROLLED}u) {
${Array.from({ length: UNROLLED }, (_, u) => multiplyWgsl(tile, sums, u)).join("\n")}
      }
      workgroupBarrier();
    }
    // A loop, so that compilers see bias and activation once instead of for every element.
    var block = array<vec4<f32>, ${sums.flat().length}>(${sums.flat().join(", ")});
    for (var i = 0u; i < ${4 * sums.flat().length}u; i++) {
      let row = firstRow + laneRow * 4u + i / ${tile.laneColumns}u;
      let column = firstColumn + laneColumn * 4u + i % ${tile.laneColumns}u;
      if (row < M && column < N) { storeElement(batch, row, column, block[i / 4u][i % 4u]); }
    }
  }
}`;
}

/**
 * Lanes fill a slab of quads: K outermost, quads of rows or columns inside. Neighbouring lanes take
 * neighbours in memory: along K where K is contiguous, else along the quads.
 */
function loadSlab(
  name: string,
  slab: string,
  extent: number,
  depth: number,
  lanes: number,
  contiguousK: boolean,
  first: string,
): string {
  const quads = extent / 4;
  const k = contiguousK ? `at % ${depth}u` : `at / ${quads}u`;
  const quad = contiguousK ? `at / ${depth}u` : `at % ${quads}u`;
  const elements = [0, 1, 2, 3].map((i) => `load${name}(base${name}(batch), i + ${i}u, k0 + k)`);
  return `      for (var at = lane; at < ${quads * depth}u; at += ${lanes}u) {
        let k = ${k};
        let quad = ${quad};
        let i = ${first} + quad * 4u;
        ${slab}[k * ${quads}u + quad] = vec4<f32>(${elements.join(", ")});
      }`;
}
