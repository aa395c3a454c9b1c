// Attention over tiles of 16 x 16 scores that never leave workgroup memory, forward and gradient.
//
// Memory: reads the inputs, overwrites the outputs; never in place.
// Work: one workgroup of 16 x 16 lanes per (b, h, 16 rows). Rows are queries (forward, dq) or keys
//   (dk and dv); the workgroup walks over the other side, 16 columns at a time. Lane (r, c) computes
//   one score of the tile, then its share of row r's width: quads c, c + 16, ...
// Sums: over the width, then over the columns, in ascending order.
import type { GpuFacts } from "../op.ts";
import { ENTRY, GROUP_INDEX } from "../wgsl.ts";
import { LOWEST } from "./row_wgsl.ts";

const TILE = 16;

/** Widths that kernels are made for; a head takes the next one up. */
const WIDTHS = [32, 64, 128, 256] as const;

const widthFor = (D: number): number | undefined => WIDTHS.find((width) => D <= width);

/** Quads from row to row in workgroup memory: one more, for lanes read a column of rows at once. */
const strideOf = (width: number): number => width / 4 + 1;

/**
 * The width that kernels for heads of width D are made for. Undefined where workgroup memory does not
 * hold what the gradients need: four tiles of rows, two of scores.
 */
export function tiledWidth(
  D: number,
  { maxWorkgroupMemory, maxWorkgroupSize }: GpuFacts,
): number | undefined {
  const width = widthFor(D);
  if (width === undefined || maxWorkgroupSize < TILE * TILE) return undefined;
  const bytes = 4 * TILE * strideOf(width) * 16 + 2 * TILE * TILE * 4;
  return bytes <= maxWorkgroupMemory ? width : undefined;
}

/** Workgroups along one side of a head. */
export const tilesAlong = (extent: number): number => Math.ceil(extent / TILE);

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const declareTiles = (width: number, ...names: string[]): string =>
  names
    .map((name) => `var<workgroup> ${name}: array<vec4<f32>, ${TILE * strideOf(width)}>;`)
    .join("\n");

const declareScores = (...names: string[]): string =>
  names.map((name) => `var<workgroup> ${name}: array<f32, ${TILE * TILE}>;`).join("\n");

/** `load_<operand>(lane, b, h, first)` fills a tile with 16 rows from `first` on; zeros past the end. */
const loadTile = (tile: string, operand: string, rows: string, width: number): string => `
fn load_${operand}(lane: u32, b: u32, h: u32, first: u32) {
  let D = extentD();
  let quads = (D + 3u) / 4u;
  for (var at = lane; at < ${TILE}u * quads; at += ${TILE * TILE}u) {
    let row = first + at / quads;
    let d = (at % quads) * 4u;
    var quad = vec4<f32>();
    if (row < ${rows}) {
      let start = ((b * ${rows} + row) * extentH() + h) * D + d;
${["x", "y", "z", "w"]
  .map((axis, i) => `      if (d + ${i}u < D) { quad.${axis} = ${operand}[start + ${i}u]; }`)
  .join("\n")}
    }
    ${tile}[(at / quads) * ${strideOf(width)}u + at % quads] = quad;
  }
}`;

/** Product of row r of one tile with row c of another. */
const dotRows = (result: string, left: string, right: string, width: number): string => `
    var ${result} = 0.0;
    for (var d = 0u; d * 4u < extentD(); d++) {
      ${result} += dot(${left}[r * ${strideOf(width)}u + d], ${right}[c * ${strideOf(width)}u + d]);
    }`;

/** What a lane adds up of its row: one name per quad. */
const sharesOf = (name: string, width: number): string[] =>
  numbers(Math.ceil(width / 4 / TILE)).map((i) => `${name}${i}`);

const declareShares = (name: string, width: number): string =>
  sharesOf(name, width)
    .map((share) => `  var ${share} = vec4<f32>();`)
    .join("\n");

/** share += row r of the scores times the tile's first `count` rows. */
const mixRows = (name: string, scores: string, tile: string, width: number): string => `
    for (var i = 0u; i < count; i++) {
      let weight = ${scores}[r * ${TILE}u + i];
${sharesOf(name, width)
  .map((s, j) => `      ${s} += weight * ${tile}[i * ${strideOf(width)}u + c + ${j * TILE}u];`)
  .join("\n")}
    }`;

/** Writes a lane's share of row `row`, times `factor`. */
const storeRow = (
  name: string,
  target: string,
  row: string,
  rows: string,
  width: number,
  factor = "",
): string =>
  sharesOf(name, width)
    .map(
      (share, j) => `
  store_${target}(((b * ${rows} + ${row}) * extentH() + h) * extentD(), (c + ${j * TILE}u) * 4u, ${share}${factor});`,
    )
    .join("");

const storeQuad = (target: string): string => `
fn store_${target}(start: u32, d: u32, quad: vec4<f32>) {
${["x", "y", "z", "w"]
  .map((axis, i) => `  if (d + ${i}u < extentD()) { ${target}[start + d + ${i}u] = quad.${axis}; }`)
  .join("\n")}
}`;

/** Entry point up to the lane's place: b, h, `first` row of the tile, r, c. */
const enter = (rows: string): string => `
${ENTRY} {
  let tiles = (${rows} + ${TILE - 1}u) / ${TILE}u;
  let group = ${GROUP_INDEX};
  if (group >= extentB() * extentH() * tiles) { return; }
  let first = (group % tiles) * ${TILE}u;
  let h = (group / tiles) % extentH();
  let b = group / (tiles * extentH());
  let r = lane / ${TILE}u;
  let c = lane % ${TILE}u;
  let causal = params[1].y != 0u;`;

/** Operands q, k, v, [padding], [key], out, lse. @param functions `seen` and `kept`. */
export const forwardTiled = (width: number, functions: string): string => `
${functions}
${declareTiles(width, "queries", "columns")}
${declareScores("cells")}
${loadTile("queries", "q", "extentT()", width)}
${loadTile("columns", "k", "extentS()", width)}
${loadTile("columns", "v", "extentS()", width)}
${storeQuad("out")}
${enter("extentT()")}
  let t = first + r;
  load_q(lane, b, h, first);
  var top = ${LOWEST};
  var total = 0.0; // of this lane's columns
${declareShares("mixed", width)}
  let end = select(extentS(), min(extentS(), first + ${TILE}u), causal);
  for (var s0 = 0u; s0 < end; s0 += ${TILE}u) {
    let count = min(${TILE}u, end - s0);
    load_k(lane, b, h, s0);
    workgroupBarrier();${dotRows("score", "queries", "columns", width)}
    let s = s0 + c;
    let visible = s < extentS() && seen(b, t, min(s, extentS() - 1u));
    score = select(${LOWEST}, score * bitcast<f32>(params[1].z), visible);
    cells[lane] = score;
    workgroupBarrier();
    var highest = top;
    for (var i = 0u; i < count; i++) { highest = max(highest, cells[r * ${TILE}u + i]); }
    let shrink = exp(top - highest);
    let p = select(0.0, exp(score - highest), visible);
    top = highest;
    total = total * shrink + p;
    workgroupBarrier();
    cells[lane] = p * kept(b, h, t, s);
    load_v(lane, b, h, s0);
    workgroupBarrier();
${sharesOf("mixed", width)
  .map((share) => `    ${share} *= shrink;`)
  .join("\n")}${mixRows("mixed", "cells", "columns", width)}
    workgroupBarrier();
  }
  cells[lane] = total;
  workgroupBarrier();
  if (t >= extentT()) { return; }
  var sum = 0.0;
  for (var i = 0u; i < ${TILE}u; i++) { sum += cells[r * ${TILE}u + i]; }
  // A row that sees no key gives zeros.
  let factor = select(0.0, 1.0 / sum, sum > 0.0);
  if (c == 0u) { lse[(b * extentH() + h) * extentT() + t] = select(0.0, top + log(sum), sum > 0.0); }${storeRow("mixed", "out", "t", "extentT()", width, " * factor")}
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
export const queryGradientTiled = (width: number, functions: string): string => `
${functions}
${declareTiles(width, "queries", "outer", "keys", "values")}
${declareScores("cells")}
${loadTile("queries", "q", "extentT()", width)}
${loadTile("outer", "dout", "extentT()", width)}
${loadTile("keys", "k", "extentS()", width)}
${loadTile("values", "v", "extentS()", width)}
${storeQuad("dq")}
${enter("extentT()")}
  let t = first + r;
  load_q(lane, b, h, first);
  load_dout(lane, b, h, first);
${declareShares("mixed", width)}
  let end = select(extentS(), min(extentS(), first + ${TILE}u), causal);
  for (var s0 = 0u; s0 < end; s0 += ${TILE}u) {
    let count = min(${TILE}u, end - s0);
    load_k(lane, b, h, s0);
    load_v(lane, b, h, s0);
    workgroupBarrier();${dotRows("score", "queries", "keys", width)}${dotRows("dp", "outer", "values", width)}
    let s = s0 + c;${gradientOfScore}
    cells[lane] = ds;
    workgroupBarrier();${mixRows("mixed", "cells", "keys", width)}
    workgroupBarrier();
  }
  if (t >= extentT()) { return; }${storeRow("mixed", "dq", "t", "extentT()", width)}
}`;

/** Operands q, k, lse, dout, [padding], [key], v, delta, dk, dv. */
export const keyGradientTiled = (width: number, functions: string): string => `
${functions}
${declareTiles(width, "queries", "outer", "keys", "values")}
${declareScores("kept_cells", "ds_cells")}
${loadTile("queries", "q", "extentT()", width)}
${loadTile("outer", "dout", "extentT()", width)}
${loadTile("keys", "k", "extentS()", width)}
${loadTile("values", "v", "extentS()", width)}
${storeQuad("dk")}
${storeQuad("dv")}
${enter("extentS()")}
  let s = first + r;
  load_k(lane, b, h, first);
  load_v(lane, b, h, first);
${declareShares("dkey", width)}
${declareShares("dvalue", width)}
  for (var t0 = select(0u, first, causal); t0 < extentT(); t0 += ${TILE}u) {
    let count = min(${TILE}u, extentT() - t0);
    load_q(lane, b, h, t0);
    load_dout(lane, b, h, t0);
    workgroupBarrier();${dotRows("score", "keys", "queries", width)}${dotRows("dp", "values", "outer", width)}
    let t = t0 + c;${gradientOfScore}
    kept_cells[lane] = p * keep;
    ds_cells[lane] = ds;
    workgroupBarrier();${mixRows("dvalue", "kept_cells", "outer", width)}${mixRows("dkey", "ds_cells", "queries", width)}
    workgroupBarrier();
  }
  if (s >= extentS()) { return; }${storeRow("dkey", "dk", "s", "extentS()", width)}${storeRow("dvalue", "dv", "s", "extentS()", width)}
}`;
