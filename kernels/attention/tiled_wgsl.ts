// Attention over tiles of scores that never leave the workgroup, forward and gradient (flash style).
//
// Memory: reads the inputs, overwrites the outputs; never in place. Nothing of size T x S.
// Work: one workgroup per (b, h, tile of rows). Rows are queries (forward, dq) or keys (dk and dv); the
//   workgroup walks over tiles of the other side in workgroup memory, and every lane computes a block of
//   scores in registers. The forward keeps a running maximum and sum per row.
// Sums: over the width, then over the columns, in ascending order; no atomics.
import type { Operand } from "./row_wgsl.ts";
import { LOWEST } from "./row_wgsl.ts";
import {
  AXES,
  declareColumns,
  declarePartials,
  declareTile,
  declareWeights,
  eachRow,
  eachSum,
  enterTile,
  FMA_DOT,
  loadTile,
  mix,
  products,
  readQuad,
  rowAt,
  rowStart,
  rowTotal,
  storeSums,
  writeQuad,
} from "./tile_wgsl.ts";
import { lanesOf, type Tiling, weightStride } from "./tiling.ts";

/** What the text of a kernel depends on besides its tiling. */
export interface TiledText {
  /** The width is whole quads: operands are bound as such. */
  readonly quads: boolean;
  readonly padded: boolean;
  /** Rows of sentences lie without gaps. */
  readonly packs: boolean;
  /** `keptQuad(b, h, t, s)`. */
  readonly kept: string;
}

/** Operands of rows of heads, as quads where these are whole. */
export const asQuads = (operands: readonly Operand[], quads: boolean): Operand[] =>
  operands.map((operand) => (quads ? { ...operand, type: "vec4<f32>" } : operand));

/** Scores are multiplied by it while they are powers of e, and become powers of 2. */
const LOG2_E = "1.4426950408889634";
const LN_2 = "0.6931471805599453";
const SCALE = "bitcast<f32>(params[1].z)";

/** `hides(b, s)`: whether key s is past the end or padding. */
const hidesWgsl = (padded: boolean): string => `
fn hides(b: u32, s: u32) -> bool {
  if (s >= countS(b)) { return true; }
  return ${padded ? "padding[firstS(b) + s] != 0" : "false"};
}`;

/** Notes which of the tile's keys are hidden, as 0 and 1. */
const loadHidden = (tiling: Tiling): string => `
fn load_hidden(lane: u32, b: u32, first: u32) {
  for (var at = lane; at < ${tiling.columns}u; at += ${lanesOf(tiling)}u) {
    hidden[at] = select(0.0, 1.0, hides(b, first + at));
  }
}`;

/** Of the lane's four keys from `s` on, those that the query in row i sees. */
const seenKeys = (i: number): string =>
  `(open & (vec4<bool>(!causal) | (vec4<u32>(s) + vec4<u32>(0u, 1u, 2u, 3u) <= vec4<u32>(first + firstRow + ${i}u))))`;

/** The lane's keys of a tile from s0 on, and which of them are open. */
const LANE_KEYS = `
    let s = s0 + 4u * c;
    let open = vec4<f32>(hidden[4u * c], hidden[4u * c + 1u], hidden[4u * c + 2u], hidden[4u * c + 3u]) == vec4<f32>();`;

/** Keys that some row of a tile of queries sees: none where the tile is behind the sentence's rows. */
const endOfKeys = ({ rows }: Tiling): string =>
  `select(0u, select(counts.y, min(counts.y, first + ${rows}u), causal), first < counts.x)`;

const declareSums = (prefix: string, tiling: Tiling): string =>
  eachSum(prefix, tiling, (name) => `var ${name} = vec4<f32>();`);

/** Operands q, k, v, [padding], [key], out, lse. */
export const forwardTiled = (tiling: Tiling, { quads, padded, packs, kept }: TiledText): string => `
${kept}${FMA_DOT}${hidesWgsl(padded)}
${declareTile("queries", tiling.rows, tiling)}${declareTile("keys", tiling.columns, tiling)}${declareTile(
  "values",
  tiling.columns,
  tiling,
)}${declareWeights("weights", tiling)}${declarePartials(tiling)}${declareColumns("hidden", tiling)}
${["q", "k", "v"].map((name) => readQuad(name, quads)).join("")}
${loadTile("queries", "q", "T", "rows", tiling, ` * (${SCALE} * ${LOG2_E})`)}
${loadTile("keys", "k", "S", "columns in slots", tiling)}
${loadTile("values", "v", "S", "columns", tiling)}
${loadHidden(tiling)}
${writeQuad("out", quads)}
${enterTile("T", packs, tiling)}
  load_queries(lane, b, h, first);
  load_keys(lane, b, h, 0u);
  load_hidden(lane, b, 0u);${eachRow(tiling, (i) => `var top${i} = ${LOWEST};`)}${eachRow(
    tiling,
    (i) => `var total${i} = 0.0; // of this lane's columns`,
  )}${declareSums("mixed", tiling)}
  workgroupBarrier();
  let end = ${endOfKeys(tiling)};
  for (var s0 = 0u; s0 < end; s0 += ${tiling.columns}u) {${products([["score", "queries", "keys"]], tiling)}${LANE_KEYS}${eachRow(
    tiling,
    (i) => `let seen${i} = ${seenKeys(i)};
    score${i} = select(vec4<f32>(${LOWEST}), score${i}, seen${i});
    partials[${rowAt(i)} * ${tiling.laneColumns}u + c] = max(max(score${i}.x, score${i}.y), max(score${i}.z, score${i}.w));`,
  )}
    // Behind this barrier nobody reads the keys, nor the weights and values of the tile before.
    workgroupBarrier();${eachRow(
      tiling,
      (i) => `let highest${i} = max(top${i}, ${rowTotal(i, tiling, "max")});
    let shrink${i} = exp2(top${i} - highest${i});
    top${i} = highest${i};
    let p${i} = select(vec4<f32>(), exp2(score${i} - highest${i}), seen${i});
    total${i} = total${i} * shrink${i} + ((p${i}.x + p${i}.y) + (p${i}.z + p${i}.w));
    weights[${rowAt(i)} * ${weightStride(tiling)}u + c] = p${i} * keptQuad(b, h, first + firstRow + ${i}u, s);`,
    )}${eachSum("mixed", tiling, (name, i) => `${name} *= shrink${i};`)}
    load_values(lane, b, h, s0);
    if (s0 + ${tiling.columns}u < end) {
      load_keys(lane, b, h, s0 + ${tiling.columns}u);
      load_hidden(lane, b, s0 + ${tiling.columns}u);
    }
    workgroupBarrier();
    let count = min(${tiling.columns}u, end - s0);${mix([["mixed", "weights", "values"]], false, tiling)}
  }${eachRow(tiling, (i) => `partials[${rowAt(i)} * ${tiling.laneColumns}u + c] = total${i};`)}
  workgroupBarrier();${eachRow(
    tiling,
    (i) => `let sum${i} = ${rowTotal(i, tiling, "sum")};
    // A row that sees no key gives zeros.
    let factor${i} = select(0.0, 1.0 / sum${i}, sum${i} > 0.0);
    if (c == 0u && first + firstRow + ${i}u < extentT()) {
      lse[(b * extentH() + h) * extentT() + first + firstRow + ${i}u] =
        select(0.0, (top${i} + log2(sum${i})) * ${LN_2}, sum${i} > 0.0 && first + firstRow + ${i}u < countT(b));
    }`,
  )}${storeSums("mixed", "out", "T", tiling, (i) => ` * factor${i}`)}
}`;

/** Operands q, k, lse, dout, [padding], [key], v, out, delta, dq; leaves delta to the keys' kernel. */
export const queryGradientTiled = (
  tiling: Tiling,
  { quads, padded, packs, kept }: TiledText,
): string => `
${kept}${FMA_DOT}${hidesWgsl(padded)}
${["queries", "outer"].map((name) => declareTile(name, tiling.rows, tiling)).join("")}${[
  "keys",
  "values",
]
  .map((name) => declareTile(name, tiling.columns, tiling))
  .join(
    "",
  )}${declareWeights("weights", tiling)}${declarePartials(tiling)}${declareColumns("hidden", tiling)}
${["q", "k", "v", "dout", "out"].map((name) => readQuad(name, quads)).join("")}
${loadTile("queries", "q", "T", "rows", tiling, ` * (${SCALE} * ${LOG2_E})`)}
${loadTile("outer", "dout", "T", "rows", tiling)}
${loadTile("keys", "k", "S", "columns in slots", tiling)}
${loadTile("values", "v", "S", "columns in slots", tiling)}
${loadHidden(tiling)}
${writeQuad("dq", quads)}
${enterTile("T", packs, tiling)}
  load_queries(lane, b, h, first);
  load_outer(lane, b, h, first);
  // delta = sum of dout out over the width: what the row's probabilities have in common.${eachRow(
    tiling,
    (i) => `let t${i} = first + firstRow + ${i}u;
    var part${i} = 0.0;
    if (t${i} < countT(b)) {
      let start = ${rowStart(`t${i}`, "T")};
      for (var d = 4u * c; d < extentD(); d += ${4 * tiling.laneColumns}u) {
        part${i} = fmaDot(read_dout(start, d), read_out(start, d), part${i});
      }
    }
    partials[${rowAt(i)} * ${tiling.laneColumns}u + c] = part${i};`,
  )}
  workgroupBarrier();${eachRow(
    tiling,
    (i) => `let delta${i} = ${rowTotal(i, tiling, "sum")};
    var height${i} = 0.0;
    if (t${i} < countT(b)) {
      let row = (b * extentH() + h) * extentT() + t${i};
      height${i} = lse[row] * ${LOG2_E};
      if (c == 0u) { delta[row] = delta${i}; }
    }`,
  )}${declareSums("mixed", tiling)}
  let end = ${endOfKeys(tiling)};
  for (var s0 = 0u; s0 < end; s0 += ${tiling.columns}u) {
    load_keys(lane, b, h, s0);
    load_values(lane, b, h, s0);
    load_hidden(lane, b, s0);
    workgroupBarrier();${products(
      [
        ["score", "queries", "keys"],
        ["dp", "outer", "values"],
      ],
      tiling,
    )}${LANE_KEYS}${eachRow(
      tiling,
      (i) => `let p${i} = select(vec4<f32>(), exp2(score${i} - height${i}), ${seenKeys(i)});
    weights[${rowAt(i)} * ${weightStride(tiling)}u + c] =
      p${i} * (dp${i} * keptQuad(b, h, t${i}, s) - delta${i}) * ${SCALE};`,
    )}
    workgroupBarrier();
    let count = min(${tiling.columns}u, end - s0);${mix([["mixed", "weights", "keys"]], true, tiling)}
    workgroupBarrier();
  }${storeSums("mixed", "dq", "T", tiling)}
}`;

/** Operands q, k, lse, dout, [padding], [key], v, delta, dk, dv. Rows are keys, columns queries. */
export const keyGradientTiled = (
  tiling: Tiling,
  { quads, padded, packs, kept }: TiledText,
): string => `
${kept}${FMA_DOT}${hidesWgsl(padded)}
${["keys", "values"].map((name) => declareTile(name, tiling.rows, tiling)).join("")}${[
  "queries",
  "outer",
]
  .map((name) => declareTile(name, tiling.columns, tiling))
  .join(
    "",
  )}${["kept_weights", "score_weights"].map((name) => declareWeights(name, tiling)).join("")}${[
  "heights",
  "deltas",
]
  .map((name) => declareColumns(name, tiling))
  .join("")}
${["q", "k", "v", "dout"].map((name) => readQuad(name, quads)).join("")}
${loadTile("keys", "k", "S", "rows", tiling, ` * (${SCALE} * ${LOG2_E})`)}
${loadTile("values", "v", "S", "rows", tiling)}
${loadTile("queries", "q", "T", "columns in slots", tiling)}
${loadTile("outer", "dout", "T", "columns in slots", tiling)}
fn load_rows(lane: u32, b: u32, h: u32, first: u32) {
  for (var at = lane; at < ${tiling.columns}u; at += ${lanesOf(tiling)}u) {
    let row = (b * extentH() + h) * extentT() + min(first + at, countT(b) - 1u);
    heights[at] = lse[row] * ${LOG2_E};
    deltas[at] = delta[row];
  }
}
${["dk", "dv"].map((name) => writeQuad(name, quads)).join("")}
${enterTile("S", packs, tiling)}
  load_keys(lane, b, h, first);
  load_values(lane, b, h, first);${eachRow(
    tiling,
    (i) => `let s${i} = first + firstRow + ${i}u;
    let open${i} = !hides(b, s${i});`,
  )}${declareSums("dkey", tiling)}${declareSums("dvalue", tiling)}
  let begin = select(0u, (first / ${tiling.columns}u) * ${tiling.columns}u, causal);
  let end = select(0u, counts.x, first < counts.y);
  for (var t0 = begin; t0 < end; t0 += ${tiling.columns}u) {
    load_queries(lane, b, h, t0);
    load_outer(lane, b, h, t0);
    load_rows(lane, b, h, t0);
    workgroupBarrier();${products(
      [
        ["score", "keys", "queries"],
        ["dp", "values", "outer"],
      ],
      tiling,
    )}
    let at = 4u * c;
    let t = vec4<u32>(t0 + at) + vec4<u32>(0u, 1u, 2u, 3u);
    let height = vec4<f32>(heights[at], heights[at + 1u], heights[at + 2u], heights[at + 3u]);
    let delta_ = vec4<f32>(deltas[at], deltas[at + 1u], deltas[at + 2u], deltas[at + 3u]);${AXES.map(
      (axis, j) => `
    let keep${j} = keptQuad(b, h, t.${axis}, first + firstRow);`,
    ).join("")}${eachRow(
      tiling,
      (
        i,
      ) => `let seen${i} = vec4<bool>(open${i}) & (t < vec4<u32>(counts.x)) & (vec4<bool>(!causal) | (vec4<u32>(s${i}) <= t));
    let p${i} = select(vec4<f32>(), exp2(score${i} - height), seen${i});
    let keep_${i} = vec4<f32>(${AXES.map((_, j) => `keep${j}.${AXES[i]}`).join(", ")});
    kept_weights[${rowAt(i)} * ${weightStride(tiling)}u + c] = p${i} * keep_${i};
    score_weights[${rowAt(i)} * ${weightStride(tiling)}u + c] = p${i} * (dp${i} * keep_${i} - delta_) * ${SCALE};`,
    )}
    workgroupBarrier();
    let count = min(${tiling.columns}u, counts.x - t0);${mix(
      [
        ["dvalue", "kept_weights", "outer"],
        ["dkey", "score_weights", "queries"],
      ],
      true,
      tiling,
    )}
    workgroupBarrier();
  }${storeSums("dkey", "dk", "S", tiling)}${storeSums("dvalue", "dv", "S", tiling)}
}`;
