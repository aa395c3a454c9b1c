// Reductions over the lanes of a workgroup: in subgroups where the adapter has them, else by trees in
// workgroup memory. Either way the order is fixed: equal inputs give equal bits on one adapter.
import type { GpuFacts } from "./op.ts";
import { declareBindings, entryWgsl, subgroupEntryWgsl } from "./wgsl.ts";

/** `fn <name>(lane, x)` returns the joint of all lanes' x to every lane; all lanes must reach it. */
interface Reduction {
  readonly type: "f32" | "vec2<f32>" | "u32";
  readonly joint: string;
  readonly identity: string;
  /** The subgroup's built-in. */
  readonly subgroup: string;
}

/** The lowest finite number. */
export const LOWEST = "-3.4028234663852886e38";

const REDUCTIONS = {
  treeSum: { type: "f32", joint: "a + b", identity: "0.0", subgroup: "subgroupAdd" },
  /** Two sums for the barriers of one. */
  treeSums: { type: "vec2<f32>", joint: "a + b", identity: "vec2<f32>()", subgroup: "subgroupAdd" },
  treeMax: { type: "f32", joint: "max(a, b)", identity: LOWEST, subgroup: "subgroupMax" },
  treeHighest: { type: "u32", joint: "max(a, b)", identity: "0u", subgroup: "subgroupMax" },
  treeLowest: { type: "u32", joint: "min(a, b)", identity: "0xffffffffu", subgroup: "subgroupMin" },
} as const satisfies Record<string, Reduction>;

export type ReductionName = keyof typeof REDUCTIONS;

/** Declarations of a kernel that reduces, and its entry point after them. */
export interface ReducingKernel {
  readonly arrays: Parameters<typeof declareBindings>[0];
  readonly params: number;
  readonly lanes: number;
  /** Names of the reductions that `functions` and the body call. */
  readonly reductions: readonly ReductionName[];
  readonly functions?: string;
}

/** Everything of a text up to the body of its entry point. */
export function reducingWgsl(
  { arrays, params, lanes, reductions, functions = "" }: ReducingKernel,
  facts: GpuFacts,
): string {
  const subgroups = facts.subgroups !== undefined && reductions.length > 0;
  const texts = reductions.map((name) =>
    subgroups ? subgroupWgsl(name, REDUCTIONS[name]) : treeWgsl(name, REDUCTIONS[name], lanes),
  );
  return `${subgroups ? "enable subgroups;\n" : ""}${declareBindings(arrays, params)}
${texts.join("")}${functions}
${subgroups ? subgroupEntryWgsl(lanes) : entryWgsl(lanes)}`;
}

/**
 * Subgroups first, then every subgroup joins what the first lane of each has left. Each of these writes
 * the cell of its own lane, and the others the identity: nothing is assumed of which lanes share a subgroup.
 */
const subgroupWgsl = (name: string, { type, joint, identity, subgroup }: Reduction): string => `
var<workgroup> ${name}Cells: array<${type}, LANES>;
fn ${name}Joint(a: ${type}, b: ${type}) -> ${type} { return ${joint}; }
fn ${name}(lane: u32, x: ${type}) -> ${type} {
  let part = ${subgroup}(x);
  // The cells of the call before have been read.
  workgroupBarrier();
  ${name}Cells[lane] = ${identity};
  if (subgroupLane == 0u) { ${name}Cells[lane] = part; }
  workgroupBarrier();
  var total = ${identity};
  for (var i = subgroupLane; i < LANES; i += subgroupWidth) {
    total = ${name}Joint(total, ${name}Cells[i]);
  }
  return ${subgroup}(total);
}
`;

/**
 * Two levels, about as wide as deep: some lanes join a part each, then every lane joins the parts.
 * Barriers cost more than reads: there are two, and none at the end, because the next call writes the
 * parts only behind its own first barrier.
 */
function treeWgsl(name: string, { type, joint }: Reduction, lanes: number): string {
  const parts = `${2 ** Math.floor(Math.log2(lanes) / 2)}u`;
  return `
var<workgroup> ${name}Cells: array<${type}, LANES>;
var<workgroup> ${name}Parts: array<${type}, ${parts}>;
fn ${name}Joint(a: ${type}, b: ${type}) -> ${type} { return ${joint}; }
fn ${name}(lane: u32, x: ${type}) -> ${type} {
  ${name}Cells[lane] = x;
  workgroupBarrier();
  if (lane < ${parts}) {
    var part = ${name}Cells[lane];
    for (var i = lane + ${parts}; i < LANES; i += ${parts}) {
      part = ${name}Joint(part, ${name}Cells[i]);
    }
    ${name}Parts[lane] = part;
  }
  workgroupBarrier();
  var total = ${name}Parts[0];
  for (var i = 1u; i < ${parts}; i++) { total = ${name}Joint(total, ${name}Parts[i]); }
  return total;
}
`;
}

/**
 * What a lane knows of the elements that it has met, for a log-sum-exp that reads each once:
 * `highest`, and `sum` of exp(x - highest). Declares both; put lines of meetWgsl behind it.
 */
export const RUNNING_SUM = `
  var highest = -3.0e38;
  var sum = 0.0;`;

/** Meets the element `x` (an expression). @param rising what else to do when `highest` becomes `value`. */
export const meetWgsl = (x: string, rising = "", below = ""): string => `let value = ${x};
    if (value > highest) {
      ${rising}
      sum = sum * exp(highest - value) + 1.0;
      highest = value;
    } else {
      ${below}
      sum = sum + exp(value - highest);
    }`;

/** `top`, the highest of all lanes, and `total`, the sum of exp(x - top) over them. */
export const JOIN_RUNNING_SUMS = `
  let top = treeMax(lane, highest);
  let total = treeSum(lane, sum * exp(highest - top));`;
