// Products with few rows, as in decoding: bound by reading B, which is read once.
//
// Memory: every element of B by one lane, neighbours by neighbours; A again by every team, from cache.
// Work: where K is contiguous in B, a team of lanes shares some columns and each lane takes every so
//   manieth quad of K; where columns are, each lane takes a quad of columns and every so manieth step.
// Sums: by lane in ascending order, then over the lanes in order.
import type { GpuCandidate, GpuFacts } from "../op.ts";
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

const LANES = 128;

/** Lanes that share columns where K is contiguous in B; parts of K where it is not. */
const TEAM = 16;
const SLICES = 8;

/** Rows that a workgroup computes, and columns of a team. */
export interface RowBlock {
  readonly rows: number;
  readonly columns: number;
}

export const fitsRows = (
  { rows, columns }: RowBlock,
  { maxWorkgroupSize, maxWorkgroupMemory }: GpuFacts,
): boolean =>
  LANES <= maxWorkgroupSize && rows * Math.max(columns, 4) * LANES * 4 <= maxWorkgroupMemory;

/** Serves products whose A lies by rows. */
export function byRows(
  block: RowBlock,
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuCandidate {
  const { M, N, batch, transB } = shape;
  const columns = transB ? (LANES / TEAM) * block.columns : (LANES / SLICES) * 4;
  return {
    name: `rows ${block.rows}x${block.columns}`,
    dispatches: () => [
      {
        code: `
${endWgsl(shape, operandNames(operands), accessOf(shape))}
${loadsWgsl(shape, accessOf(shape))}
${transB ? alongK(block) : alongColumns(block)}`,
        bindings: operandBindings(operands),
        params: productParams(shape),
        workgroups: [
          Math.ceil(N / columns),
          Math.ceil(M / block.rows),
          Math.min(batch, facts.maxWorkgroupsPerDimension),
        ],
      },
    ],
  };
}

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);

const main = (body: string): string => `
@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var batch = workgroup.z; batch < batches(); batch += workgroups.z) {
${body}
    workgroupBarrier();
  }
}`;

/** `sums[(i * columns + j) * LANES + lane]`: what a lane has of its team's row i and column j. */
function alongK({ rows, columns }: RowBlock): string {
  const each = (line: (i: number, j: number) => string) =>
    count(rows).flatMap((i) => count(columns).map((j) => line(i, j)));
  const wide = (LANES / TEAM) * columns;
  return `
var<workgroup> sums: array<f32, ${rows * columns * LANES}>;
${main(`
    let firstRow = workgroup.y * ${rows}u;
    let firstColumn = workgroup.x * ${wide}u + lane / ${TEAM}u * ${columns}u;
    let member = lane % ${TEAM}u;
${each((i, j) => `    var sum${i}_${j} = vec4<f32>();`).join("\n")}
    for (var k = member * 4u; k < sizeK(); k += ${TEAM * 4}u) {
${count(columns)
  .map((j) => `      let right${j} = quadB(baseB(batch), firstColumn + ${j}u, k);`)
  .join("\n")}
${count(rows)
  .map((i) => `      let left${i} = quadA(baseA(batch), firstRow + ${i}u, k);`)
  .join("\n")}
${each((i, j) => `      sum${i}_${j} = fma(left${i}, right${j}, sum${i}_${j});`).join("\n")}
    }
${each((i, j) => `    sums[${(i * columns + j) * LANES}u + lane] = dot(sum${i}_${j}, vec4<f32>(1.0));`).join("\n")}
    workgroupBarrier();
    for (var at = lane; at < ${(rows * wide) / 4}u; at += ${LANES}u) {
      let own = at / ${wide / 4}u;
      let column = at % ${wide / 4}u * 4u;
      var sum = vec4<f32>();
      for (var j = 0u; j < 4u; j++) {
        let start = (own * ${columns}u + (column + j) % ${columns}u) * ${LANES}u + (column + j) / ${columns}u * ${TEAM}u;
        for (var i = 0u; i < ${TEAM}u; i++) { sum[j] += sums[start + i]; }
      }
      storeQuad(batch, firstRow + own, workgroup.x * ${wide}u + column, sum);
    }`)}`;
}

/** The lanes of a slice take neighbouring quads of columns; the slices share K. */
function alongColumns({ rows }: RowBlock): string {
  const across = LANES / SLICES;
  return `
var<workgroup> sums: array<vec4<f32>, ${rows * LANES}>;
${main(`
    let firstRow = workgroup.y * ${rows}u;
    let column = (workgroup.x * ${across}u + lane % ${across}u) * 4u;
${count(rows)
  .map((i) => `    var sum${i} = vec4<f32>();`)
  .join("\n")}
    for (var k = lane / ${across}u * 4u; k < sizeK(); k += ${SLICES * 4}u) {
      let right = mat4x4<f32>(${count(4)
        .map((u) => `quadB(baseB(batch), column, k + ${u}u)`)
        .join(", ")});
${count(rows)
  .map((i) => `      sum${i} += right * quadA(baseA(batch), firstRow + ${i}u, k);`)
  .join("\n")}
    }
${count(rows)
  .map((i) => `    sums[${i * LANES}u + lane] = sum${i};`)
  .join("\n")}
    workgroupBarrier();
    for (var at = lane; at < ${rows * across}u; at += ${LANES}u) {
      var sum = vec4<f32>();
      for (var slice = 0u; slice < ${SLICES}u; slice++) {
        sum += sums[at / ${across}u * ${LANES}u + slice * ${across}u + at % ${across}u];
      }
      storeQuad(batch, firstRow + at / ${across}u, (workgroup.x * ${across}u + at % ${across}u) * 4u, sum);
    }`)}`;
}
