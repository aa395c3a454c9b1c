// Pieces of WGSL that the tiled kernels of attention are put together from. Lane (r, c) holds the
// scores of `laneRows` consecutive rows and 4 consecutive columns of a tile; sums over columns it
// holds for its rows and for quads c, c + laneColumns, ... of the width.
//
// Everything a lane holds has a name of its own (no arrays), so that it stays in registers.
import { entryWgsl, GROUP_INDEX } from "../wgsl.ts";
import { declareCounts, loadCounts, type Side } from "./row_wgsl.ts";
import {
  LANE_COLUMNS,
  laneQuadsOf,
  laneRowsOf,
  lanesOf,
  type Tiling,
  tileStride,
  weightStride,
} from "./tiling.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export const AXES = ["x", "y", "z", "w"] as const;

/** Lines for each row of a lane. */
export const eachRow = (tiling: Tiling, line: (i: number) => string): string =>
  numbers(laneRowsOf(tiling))
    .map((i) => `\n    ${line(i)}`)
    .join("");

/** Lines for each (row, quad) of a lane's sums; `name` is that of the sum. */
export const eachSum = (
  prefix: string,
  tiling: Tiling,
  line: (name: string, i: number, q: number) => string,
): string =>
  numbers(laneRowsOf(tiling))
    .flatMap((i) =>
      numbers(laneQuadsOf(tiling)).map((q) => `\n    ${line(`${prefix}${i}_${q}`, i, q)}`),
    )
    .join("");

export const declareTile = (name: string, rows: number, tiling: Tiling): string =>
  `var<workgroup> ${name}: array<vec4<f32>, ${rows * tileStride(tiling)}>;\n`;

export const declareWeights = (name: string, tiling: Tiling): string =>
  `var<workgroup> ${name}: array<vec4<f32>, ${tiling.rows * weightStride(tiling)}>;\n`;

/** One number per row and lane of that row: what rowTotal() adds up. */
export const declarePartials = ({ rows, laneColumns }: Tiling): string =>
  `var<workgroup> partials: array<f32, ${rows * laneColumns}>;\n`;

export const declareColumns = (name: string, { columns }: Tiling): string =>
  `var<workgroup> ${name}: array<f32, ${columns}>;\n`;

/** Row of a lane within its tile, and what rows of partials and weights it writes. */
export const rowAt = (i: number): string => `(firstRow + ${i}u)`;

/**
 * Where column `s` of a tile lies: lane c reads columns 4 c + j for equal j at once, so those are
 * neighbours, which lie in different banks.
 */
const slotOf = (column: string, { laneColumns }: Tiling): string =>
  `((${column} % ${LANE_COLUMNS}u) * ${laneColumns}u + ${column} / ${LANE_COLUMNS}u)`;

/** A quad of row `start` (in elements) of an operand from column d on; zeros past the width. */
export const readQuad = (operand: string, quads: boolean): string => `
fn read_${operand}(start: u32, d: u32) -> vec4<f32> {
${
  quads
    ? `  if (d < extentD()) { return ${operand}[(start + d) / 4u]; }
  return vec4<f32>();`
    : `  var quad = vec4<f32>();
${AXES.map((axis, i) => `  if (d + ${i}u < extentD()) { quad.${axis} = ${operand}[start + d + ${i}u]; }`).join("\n")}
  return quad;`
}
}`;

export const writeQuad = (target: string, quads: boolean): string => `
fn write_${target}(start: u32, d: u32, quad: vec4<f32>) {
${
  quads
    ? `  if (d < extentD()) { ${target}[(start + d) / 4u] = quad; }`
    : AXES.map(
        (axis, i) =>
          `  if (d + ${i}u < extentD()) { ${target}[start + d + ${i}u] = quad.${axis}; }`,
      ).join("\n")
}
}`;

/** First element of a head's row. */
export const rowStart = (row: string, side: Side): string =>
  `((first${side}(b) + ${row}) * extentH() + h) * extentD()`;

/** Which rows of an operand a tile holds: as many as its rows, or its columns; these in slots or not. */
type TilePart = "rows" | "columns" | "columns in slots";

/** `load_<tile>(lane, b, h, first)`: a tile of rows of `operand` from `first` on; zeros past the end. */
export const loadTile = (
  tile: string,
  operand: string,
  side: Side,
  part: TilePart,
  tiling: Tiling,
  factor = "",
): string => {
  const quads = tiling.width / 4;
  const count = part === "rows" ? tiling.rows : tiling.columns;
  const place = part === "columns in slots" ? slotOf("line", tiling) : "line";
  return `
fn load_${tile}(lane: u32, b: u32, h: u32, first: u32) {
  for (var at = lane; at < ${count * quads}u; at += ${lanesOf(tiling)}u) {
    let line = at / ${quads}u;
    let d = (at % ${quads}u) * 4u;
    let row = first + line;
    var quad = vec4<f32>();
    if (row < count${side}(b)) { quad = read_${operand}(${rowStart("row", side)}, d)${factor}; }
    ${tile}[${place} * ${tileStride(tiling)}u + at % ${quads}u] = quad;
  }
}`;
};

/** a . b + c in four steps. */
export const FMA_DOT = `
fn fmaDot(a: vec4<f32>, b: vec4<f32>, c: f32) -> f32 {
  return fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, c))));
}`;

/** `<result>i` += rows of `rowTile` times the lane's four columns of `columnTile`, for each pair. */
export const products = (
  pairs: readonly (readonly [result: string, rowTile: string, columnTile: string])[],
  tiling: Tiling,
): string => {
  const stride = tileStride(tiling);
  const { laneColumns } = tiling;
  const lines = pairs.map(
    ([result, rowTile, columnTile]) =>
      `${numbers(LANE_COLUMNS)
        .map(
          (j) =>
            `\n      let ${columnTile}${j} = ${columnTile}[(c + ${j * laneColumns}u) * ${stride}u + d];`,
        )
        .join("")}${eachRow(tiling, (i) => {
        const row = `${rowTile}${i}`;
        const dots = AXES.map(
          (axis, j) =>
            `${result}${i}.${axis} = fmaDot(${row}, ${columnTile}${j}, ${result}${i}.${axis});`,
        );
        return `  let ${row} = ${rowTile}[${rowAt(i)} * ${stride}u + d]; ${dots.join(" ")}`;
      })}`,
  );
  const zeros = pairs.map(([result]) => eachRow(tiling, (i) => `var ${result}${i} = vec4<f32>();`));
  return `${zeros.join("")}
    for (var d = 0u; d * 4u < extentD(); d++) {${lines.join("")}
    }`;
};

/**
 * `<sum>i_q` += weights of row i times the tile's columns, for each triple; the first `count` columns.
 * @param slots whether the tile's columns lie in slots.
 */
export const mix = (
  triples: readonly (readonly [sum: string, weights: string, tile: string])[],
  slots: boolean,
  tiling: Tiling,
): string => {
  const { laneColumns } = tiling;
  const lines = triples.map(([sum, weights, tile]) => {
    const loads = eachRow(
      tiling,
      (i) => `  let ${weights}${i} = ${weights}[${rowAt(i)} * ${weightStride(tiling)}u + four];`,
    );
    const steps = AXES.flatMap((axis, j) => {
      const column = slots ? `four + ${j * laneColumns}u` : `four * ${LANE_COLUMNS}u + ${j}u`;
      return numbers(laneQuadsOf(tiling)).map((q) => {
        const value = `${tile}${j}_${q}`;
        const at = `(${column}) * ${tileStride(tiling)}u + c + ${q * laneColumns}u`;
        const adds = numbers(laneRowsOf(tiling)).map(
          (i) => `${sum}${i}_${q} += ${weights}${i}.${axis} * ${value};`,
        );
        return `\n      let ${value} = ${tile}[${at}]; ${adds.join(" ")}`;
      });
    });
    return `${loads}${steps.join("")}`;
  });
  return `
    for (var four = 0u; four * ${LANE_COLUMNS}u < count; four++) {${lines.join("")}
    }`;
};

/** Writes a lane's sums to `target`, times `factor(i)`. */
export const storeSums = (
  sum: string,
  target: string,
  side: Side,
  tiling: Tiling,
  factor: (i: number) => string = () => "",
): string =>
  eachSum(sum, tiling, (name, i, q) => {
    const row = `first + firstRow + ${i}u`;
    const start = rowStart(`(${row})`, side);
    const d = `(c + ${q * tiling.laneColumns}u) * 4u`;
    return `if (${row} < count${side}(b)) { write_${target}(${start}, ${d}, ${name}${factor(i)}); }`;
  });

/** Joint of the row's partials, in the order of its lanes. */
export const rowTotal = (i: number, { laneColumns }: Tiling, joint: "max" | "sum"): string =>
  numbers(laneColumns)
    .map((lane) => `partials[${rowAt(i)} * ${laneColumns}u + ${lane}u]`)
    .reduce((a, b) => (joint === "max" ? `max(${a}, ${b})` : `(${a} + ${b})`));

/** Entry point up to the lane's place: b, h, `first` row of the tile, its lane (r, c), its first row. */
export const enterTile = (side: Side, packs: boolean, tiling: Tiling): string => `
${declareCounts(packs)}
${entryWgsl(lanesOf(tiling))} {
  let tiles = (extent${side}() + ${tiling.rows - 1}u) / ${tiling.rows}u;
  let group = ${GROUP_INDEX};
  if (group >= extentB() * extentH() * tiles) { return; }
  // Under a causal mask the last rows of queries see most: they begin first.
  let first = (tiles - 1u - group % tiles) * ${tiling.rows}u;
  let h = (group / tiles) % extentH();
  let b = group / (tiles * extentH());${loadCounts(packs)}
  let c = lane % ${tiling.laneColumns}u;
  let firstRow = (lane / ${tiling.laneColumns}u) * ${laneRowsOf(tiling)}u;
  let causal = params[1].y != 0u;`;
