// Attention over tiles of scores that never leave workgroup memory, forward and gradient.
//
// Memory: reads the inputs, overwrites the outputs; never in place.
// Work: one workgroup of N x N lanes per (b, h, N rows). Rows are queries (forward, dq) or keys
//   (dk and dv); the workgroup walks over the other side, N columns at a time. Lane (r, c) computes
//   one score of the tile, then its share of row r's width: quads c, c + N, ...
// Sums: over the width, then over the columns, in ascending order.
import type { GpuFacts } from "../op.ts";
import { entryWgsl, GROUP_INDEX } from "../wgsl.ts";
import { LOWEST } from "./row_wgsl.ts";

/** What kernels are made for: heads up to `width` wide, in tiles of `side` x `side` scores. */
export interface Tiling {
  readonly width: number;
  readonly side: number;
}

/** Narrow heads come with little work per score: small tiles keep more lanes at it. */
const TILINGS: readonly Tiling[] = [
  { width: 16, side: 8 },
  { width: 32, side: 16 },
  { width: 64, side: 16 },
  { width: 128, side: 16 },
  { width: 256, side: 16 },
];

/** Quads from row to row in workgroup memory: one more, for lanes read a column of rows at once. */
const strideOf = ({ width }: Tiling): number => width / 4 + 1;

/**
 * The tiling for heads of width D. Undefined where workgroup memory does not hold what the gradients
 * need: four tiles of rows, two of scores.
 */
export function tilingFor(
  D: number,
  { maxWorkgroupMemory, maxWorkgroupSize }: GpuFacts,
): Tiling | undefined {
  const tiling = TILINGS.find(({ width }) => D <= width);
  if (!tiling) return undefined;
  const { side } = tiling;
  const bytes = 4 * side * strideOf(tiling) * 16 + 2 * side * side * 4;
  return side * side <= maxWorkgroupSize && bytes <= maxWorkgroupMemory ? tiling : undefined;
}

/** Workgroups along one side of a head. */
export const tilesAlong = (extent: number, { side }: Tiling): number => Math.ceil(extent / side);

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const declareTiles = (tiling: Tiling, ...names: string[]): string =>
  names
    .map((name) => `var<workgroup> ${name}: array<vec4<f32>, ${tiling.side * strideOf(tiling)}>;`)
    .join("\n");

const declareScores = ({ side }: Tiling, ...names: string[]): string =>
  names.map((name) => `var<workgroup> ${name}: array<f32, ${side * side}>;`).join("\n");

/** `load_<operand>(lane, b, h, first)` fills a tile with rows from `first` on; zeros past the end. */
const loadTile = (tile: string, operand: string, rows: string, tiling: Tiling): string => `
fn load_${operand}(lane: u32, b: u32, h: u32, first: u32) {
  let D = extentD();
  let quads = (D + 3u) / 4u;
  for (var at = lane; at < ${tiling.side}u * quads; at += ${tiling.side ** 2}u) {
    let row = first + at / quads;
    let d = (at % quads) * 4u;
    var quad = vec4<f32>();
    if (row < ${rows}) {
      let start = ((b * ${rows} + row) * extentH() + h) * D + d;
${["x", "y", "z", "w"]
  .map((axis, i) => `      if (d + ${i}u < D) { quad.${axis} = ${operand}[start + ${i}u]; }`)
  .join("\n")}
    }
    ${tile}[(at / quads) * ${strideOf(tiling)}u + at % quads] = quad;
  }
}`;

/** Product of row r of one tile with row c of another. */
const dotRows = (result: string, left: string, right: string, tiling: Tiling): string => `
    var ${result} = 0.0;
    for (var d = 0u; d * 4u < extentD(); d++) {
      ${result} += dot(${left}[r * ${strideOf(tiling)}u + d], ${right}[c * ${strideOf(tiling)}u + d]);
    }`;

/** What a lane adds up of its row: one name per quad. */
const sharesOf = (name: string, tiling: Tiling): string[] =>
  numbers(Math.ceil(tiling.width / 4 / tiling.side)).map((i) => `${name}${i}`);

const declareShares = (name: string, tiling: Tiling): string =>
  sharesOf(name, tiling)
    .map((share) => `  var ${share} = vec4<f32>();`)
    .join("\n");

/** share += row r of the scores times the tile's first `count` rows. */
const mixRows = (name: string, scores: string, tile: string, tiling: Tiling): string => `
    for (var i = 0u; i < count; i++) {
      let weight = ${scores}[r * ${tiling.side}u + i];
${sharesOf(name, tiling)
  .map(
    (s, j) => `      ${s} += weight * ${tile}[i * ${strideOf(tiling)}u + c + ${j * tiling.side}u];`,
  )
  .join("\n")}
    }`;

/** Writes a lane's share of row `row`, times `factor`. */
const storeRow = (
  name: string,
  target: string,
  row: string,
  rows: string,
  tiling: Tiling,
  factor = "",
): string =>
  sharesOf(name, tiling)
    .map(
      (share, j) => `
  store_${target}(((b * ${rows} + ${row}) * extentH() + h) * extentD(), (c + ${j * tiling.side}u) * 4u, ${share}${factor});`,
    )
    .join("");

const storeQuad = (target: string): string => `
fn store_${target}(start: u32, d: u32, quad: vec4<f32>) {
${["x", "y", "z", "w"]
  .map((axis, i) => `  if (d + ${i}u < extentD()) { ${target}[start + d + ${i}u] = quad.${axis}; }`)
  .join("\n")}
}`;

/** Entry point up to the lane's place: b, h, `first` row of the tile, r, c. */
const enter = (rows: string, { side }: Tiling): string => `
${entryWgsl(side * side)} {
  let tiles = (${rows} + ${side - 1}u) / ${side}u;
  let group = ${GROUP_INDEX};
  if (group >= extentB() * extentH() * tiles) { return; }
  let first = (group % tiles) * ${side}u;
  let h = (group / tiles) % extentH();
  let b = group / (tiles * extentH());
  let r = lane / ${side}u;
  let c = lane % ${side}u;
  let causal = params[1].y != 0u;`;

/** Operands q, k, v, [padding], [key], out, lse. @param functions `seen` and `kept`. */
export const forwardTiled = (tiling: Tiling, functions: string): string => `
${functions}
${declareTiles(tiling, "queries", "columns")}
${declareScores(tiling, "cells")}
${loadTile("queries", "q", "extentT()", tiling)}
${loadTile("columns", "k", "extentS()", tiling)}
${loadTile("columns", "v", "extentS()", tiling)}
${storeQuad("out")}
${enter("extentT()", tiling)}
  let t = first + r;
  load_q(lane, b, h, first);
  var top = ${LOWEST};
  var total = 0.0; // of this lane's columns
${declareShares("mixed", tiling)}
  let end = select(extentS(), min(extentS(), first + ${tiling.side}u), causal);
  for (var s0 = 0u; s0 < end; s0 += ${tiling.side}u) {
    let count = min(${tiling.side}u, end - s0);
    load_k(lane, b, h, s0);
    workgroupBarrier();${dotRows("score", "queries", "columns", tiling)}
    let s = s0 + c;
    let visible = s < extentS() && seen(b, t, min(s, extentS() - 1u));
    score = select(${LOWEST}, score * bitcast<f32>(params[1].z), visible);
    cells[lane] = score;
    workgroupBarrier();
    var highest = top;
    for (var i = 0u; i < count; i++) { highest = max(highest, cells[r * ${tiling.side}u + i]); }
    let shrink = exp(top - highest);
    let p = select(0.0, exp(score - highest), visible);
    top = highest;
    total = total * shrink + p;
    workgroupBarrier();
    cells[lane] = p * kept(b, h, t, s);
    load_v(lane, b, h, s0);
    workgroupBarrier();
${sharesOf("mixed", tiling)
  .map((share) => `    ${share} *= shrink;`)
  .join("\n")}${mixRows("mixed", "cells", "columns", tiling)}
    workgroupBarrier();
  }
  cells[lane] = total;
  workgroupBarrier();
  if (t >= extentT()) { return; }
  var sum = 0.0;
  for (var i = 0u; i < ${tiling.side}u; i++) { sum += cells[r * ${tiling.side}u + i]; }
  // A row that sees no key gives zeros.
  let factor = select(0.0, 1.0 / sum, sum > 0.0);
  if (c == 0u) { lse[(b * extentH() + h) * extentT() + t] = select(0.0, top + log(sum), sum > 0.0); }${storeRow("mixed", "out", "t", "extentT()", tiling, " * factor")}
}`;

/** p and d loss / d score of a lane's (t, s) from the products `score` and `dp`. */
const gradientOfScore = `
    var p = 0.0;
    var ds = 0.0;
    let keep = kept(b, h, t, s);
    if (t < extentT() && s < extentS() && seen(b, t, min(s, extentS() - 1u))) {
      let row = (b * extentH() + h) * extentT() + t;
      p = exp(score * bitcast<f32>(params[1].z) - lse[row]);
      ds = p * (dp * keep - delta[row]) * bitcast<f32>(params[1].z);
    }`;

/** Operands q, k, lse, dout, [padding], [key], v, delta, dq. */
export const queryGradientTiled = (tiling: Tiling, functions: string): string => `
${functions}
${declareTiles(tiling, "queries", "outer", "keys", "values")}
${declareScores(tiling, "cells")}
${loadTile("queries", "q", "extentT()", tiling)}
${loadTile("outer", "dout", "extentT()", tiling)}
${loadTile("keys", "k", "extentS()", tiling)}
${loadTile("values", "v", "extentS()", tiling)}
${storeQuad("dq")}
${enter("extentT()", tiling)}
  let t = first + r;
  load_q(lane, b, h, first);
  load_dout(lane, b, h, first);
${declareShares("mixed", tiling)}
  let end = select(extentS(), min(extentS(), first + ${tiling.side}u), causal);
  for (var s0 = 0u; s0 < end; s0 += ${tiling.side}u) {
    let count = min(${tiling.side}u, end - s0);
    load_k(lane, b, h, s0);
    load_v(lane, b, h, s0);
    workgroupBarrier();${dotRows("score", "queries", "keys", tiling)}${dotRows("dp", "outer", "values", tiling)}
    let s = s0 + c;${gradientOfScore}
    cells[lane] = ds;
    workgroupBarrier();${mixRows("mixed", "cells", "keys", tiling)}
    workgroupBarrier();
  }
  if (t >= extentT()) { return; }${storeRow("mixed", "dq", "t", "extentT()", tiling)}
}`;

/** Operands q, k, lse, dout, [padding], [key], v, delta, dk, dv. */
export const keyGradientTiled = (tiling: Tiling, functions: string): string => `
${functions}
${declareTiles(tiling, "queries", "outer", "keys", "values")}
${declareScores(tiling, "kept_cells", "ds_cells")}
${loadTile("queries", "q", "extentT()", tiling)}
${loadTile("outer", "dout", "extentT()", tiling)}
${loadTile("keys", "k", "extentS()", tiling)}
${loadTile("values", "v", "extentS()", tiling)}
${storeQuad("dk")}
${storeQuad("dv")}
${enter("extentS()", tiling)}
  let s = first + r;
  load_k(lane, b, h, first);
  load_v(lane, b, h, first);
${declareShares("dkey", tiling)}
${declareShares("dvalue", tiling)}
  for (var t0 = select(0u, first, causal); t0 < extentT(); t0 += ${tiling.side}u) {
    let count = min(${tiling.side}u, extentT() - t0);
    load_q(lane, b, h, t0);
    load_dout(lane, b, h, t0);
    workgroupBarrier();${dotRows("score", "keys", "queries", tiling)}${dotRows("dp", "values", "outer", tiling)}
    let t = t0 + c;${gradientOfScore}
    kept_cells[lane] = p * keep;
    ds_cells[lane] = ds;
    workgroupBarrier();${mixRows("dvalue", "kept_cells", "outer", tiling)}${mixRows("dkey", "ds_cells", "queries", tiling)}
    workgroupBarrier();
  }
  if (s >= extentS()) { return; }${storeRow("dkey", "dk", "s", "extentS()", tiling)}${storeRow("dvalue", "dv", "s", "extentS()", tiling)}
}`;
