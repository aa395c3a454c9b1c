// What all WGSL products share: operands, loads that know the form, and what happens to a finished sum.
import { activateWgsl } from "../elementwise/wgsl.ts";
import type { GpuBinding } from "../op.ts";
import { declareBindings, packParams } from "../wgsl.ts";
import type { ProductShape } from "./split.ts";

export interface GpuProductOperands {
  readonly a: GpuBinding;
  readonly b: GpuBinding;
  readonly c: GpuBinding;
  /** (N), added to every row. */
  readonly bias?: GpuBinding;
  /** Laid out as C: receives the values before the activation. */
  readonly pre?: GpuBinding;
  /** Whether A and B lie in memory as f16. Default false. */
  readonly areHalves?: boolean;
}

/** What a text reads A and B as: f32 serves halves, too, as the device converts them. */
export type Stored = "f32" | "f16";

/** One element at a time, or four neighbours of a row at once. */
export type Access = "scalar" | "vector";

/** Vectors serve where every row of every operand begins and ends with one. */
export const accessOf = ({ lda, ldb, ldc, strides }: ProductShape): Access =>
  [lda, ldb, ldc, ...strides].every((size) => size % 4 === 0) ? "vector" : "scalar";

/** Names of the operands in the order of their bindings. */
export const operandNames = (operands: GpuProductOperands): string[] => [
  ...["a", "b", "c"],
  ...(["bias", "pre"] as const).filter((name) => operands[name]),
];

export const operandBindings = ({ a, b, c, bias, pre }: GpuProductOperands): GpuBinding[] =>
  [a, b, c, bias, pre].filter((binding) => binding !== undefined);

/** How a long sum is cut: into so many parts, each of so many steps of K. */
export interface Parts {
  readonly count: number;
  readonly depth: number;
}

/** The static numbers; SIZES_WGSL names them. */
export function productParams(shape: ProductShape, parts?: Parts): Uint32Array {
  const { M, N, K, lda, ldb, ldc, batch, strides } = shape;
  const { count, depth } = parts ?? { count: 1, depth: K };
  return packParams(M, N, K, lda, ldb, ldc, ...strides, batch, count, depth);
}

const SIZES_WGSL = `
fn sizeM() -> u32 { return params[0].x; }
fn sizeN() -> u32 { return params[0].y; }
fn sizeK() -> u32 { return params[0].z; }
fn baseA(batch: u32) -> u32 { return batch * params[1].z; }
fn baseB(batch: u32) -> u32 { return batch * params[1].w; }
fn baseC(batch: u32) -> u32 { return batch * params[2].x; }
fn batches() -> u32 { return params[2].y; }
fn parts() -> u32 { return params[2].z; }
fn partDepth() -> u32 { return params[2].w; }
`;

/** Declarations, sizes, and the store that ends a product. */
export const endWgsl = (
  { accumulate, activation }: ProductShape,
  arrays: readonly string[],
  access: Access,
  stored: Stored = "f32",
): string => `
${declareBindings(
  arrays.map((name) => {
    const element = name === "a" || name === "b" ? stored : "f32";
    return [name, access === "vector" ? (`vec4<${element}>` as const) : element];
  }),
  3,
)}
${SIZES_WGSL}
${activation === "linear" ? "" : activateWgsl(activation)}
${access === "vector" ? storeVector(arrays, accumulate, activation) : storeScalars(arrays, accumulate, activation)}
`;

/** `storeQuad(batch, row, column, sums)`: four neighbours; what lies outside of C is left out. */
const storeScalars = (
  arrays: readonly string[],
  accumulate: boolean,
  activation: ProductShape["activation"],
): string => `
fn storeElement(batch: u32, row: u32, column: u32, sum: f32) {
  if (row >= sizeM() || column >= sizeN()) { return; }
  let at = baseC(batch) + row * params[1].y + column;
  let x = sum${arrays.includes("bias") ? " + bias[column]" : ""};
  ${arrays.includes("pre") ? "pre[at] = x;" : ""}
  c[at] ${accumulate ? "+=" : "="} ${activation === "linear" ? "x" : "activate(x)"};
}
fn storeQuad(batch: u32, row: u32, column: u32, sums: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) { storeElement(batch, row, column + i, sums[i]); }
}`;

const storeVector = (
  arrays: readonly string[],
  accumulate: boolean,
  activation: ProductShape["activation"],
): string => `
fn storeQuad(batch: u32, row: u32, column: u32, sums: vec4<f32>) {
  if (row >= sizeM() || column >= sizeN()) { return; }
  let at = (baseC(batch) + row * params[1].y + column) / 4u;
  let x = sums${arrays.includes("bias") ? " + bias[column / 4u]" : ""};
  ${arrays.includes("pre") ? "pre[at] = x;" : ""}
  c[at] ${accumulate ? "+=" : "="} ${
    activation === "linear" ? "x" : `vec4<f32>(${[..."xyzw"].map((i) => `activate(x.${i})`)})`
  };
}`;

/**
 * Loads of both operands; `i` is a row of A or a column of B. Outside there is 0.
 *
 * `elementX(base, i, k)`: one element, with scalar access only.
 * `quadX(base, i, k)`: four neighbours in memory, along K where K is contiguous, else along i.
 * `blockX(base, i, k)`: i to i + 3 by k to k + 3; column u of the result is step k + u. Not of halves.
 */
export const loadsWgsl = (
  { transA, transB }: ProductShape,
  access: Access,
  stored: Stored = "f32",
): string =>
  [
    loadWgsl("A", "a", !transA, "params[0].x", "params[0].w", access, stored),
    loadWgsl("B", "b", transB, "params[0].y", "params[1].x", access, stored),
  ].join("\n");

function loadWgsl(
  name: "A" | "B",
  array: "a" | "b",
  alongK: boolean,
  count: string,
  stride: string,
  access: Access,
  stored: Stored,
): string {
  const at = alongK ? `base + i * ${stride} + k` : `base + k * ${stride} + i`;
  const [i, k] = alongK ? ["i", "k + STEP"] : ["i + STEP", "k"];
  const neighbour = (step: number) =>
    `element${name}(base, ${i.replace("STEP", `${step}u`)}, ${k.replace("STEP", `${step}u`)})`;
  const line = (u: number) => `quad${name}(base, ${alongK ? `i + ${u}u, k` : `i, k + ${u}u`})`;
  const lines = [0, 1, 2, 3];
  const inside = `i < ${count} && k < params[0].z`;
  const loads =
    access === "vector"
      ? `
fn quad${name}(base: u32, i: u32, k: u32) -> vec4<${stored}> {
  if (${inside}) { return ${array}[(${at}) / 4u]; }
  return vec4<${stored}>();
}`
      : `
fn element${name}(base: u32, i: u32, k: u32) -> ${stored} {
  if (${inside}) { return ${array}[${at}]; }
  return ${stored}();
}
fn quad${name}(base: u32, i: u32, k: u32) -> vec4<${stored}> {
  return vec4<${stored}>(${lines.map(neighbour).join(", ")});
}`;
  if (stored === "f16") return loads;
  const block = `mat4x4<f32>(${lines.map(line).join(", ")})`;
  const elements = lines.map((u) => `element${name}(base, i + ${u}u, k + u)`).join(", ");
  return `${loads}
fn block${name}(base: u32, i: u32, k: u32) -> mat4x4<f32> {
  ${
    access === "vector"
      ? `return ${alongK ? `transpose(${block})` : block};`
      : // A loop: compilers see four elements instead of sixteen.
        `var x: mat4x4<f32>;
  for (var u = 0u; u < 4u; u++) { x[u] = vec4<f32>(${elements}); }
  return x;`
  }
}`;
}
