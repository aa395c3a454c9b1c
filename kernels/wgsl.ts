// What the WGSL of every family shares: how many workgroups, which element, and safe mathematics.
import type { DType } from "../src/tensor/shape.ts";
import type { GpuFacts } from "./op.ts";

const WORKGROUP_SIZE = 256;

/** `count` workgroups, folded into y (and then a little more than `count`) past the adapter's limit. */
export function foldWorkgroups(
  count: number,
  { maxWorkgroupsPerDimension }: GpuFacts,
): [number, number, number] {
  const groups = Math.max(count, 1);
  const y = Math.ceil(groups / maxWorkgroupsPerDimension);
  return [Math.ceil(groups / y), y, 1];
}

/** Sizes of one class of a GpuChoice end with the same power of two. */
export const classEnd = (size: number): number => 2 ** Math.ceil(Math.log2(Math.max(size, 1)));

/** Workgroups for one invocation per element. */
export const elementWorkgroups = (elements: number, facts: GpuFacts): [number, number, number] =>
  foldWorkgroups(Math.ceil(elements / WORKGROUP_SIZE), facts);

/** How a kernel walks over flat buffers: four elements a step where their number is a multiple of 4. */
export function flatWalk(elements: number) {
  const quads = elements % 4 === 0;
  const type = quads ? "vec4<f32>" : "f32";
  return { quads, type, steps: quads ? elements / 4 : elements } as const;
}

const ENTRY_BUILTINS = `
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,`;

/**
 * Attributes of an entry point with so many lanes, a power of two from 32 up; its body starts with
 * GROUP_INDEX or ELEMENT_INDEX and may use `LANES`. Kernels that reduce over lanes: reduce_wgsl.ts.
 */
export const entryWgsl = (lanes: number): string => `
const LANES = ${lanes}u;
@compute @workgroup_size(${lanes})
fn main(${ENTRY_BUILTINS}
)`;

/** The same where functions ask for their place in the subgroup. */
export const subgroupEntryWgsl = (lanes: number): string => `
const LANES = ${lanes}u;
var<private> subgroupLane: u32;
var<private> subgroupWidth: u32;
@compute @workgroup_size(${lanes})
fn main(${ENTRY_BUILTINS}
  @builtin(subgroup_invocation_id) ownLane: u32,
  @builtin(subgroup_size) ownWidth: u32,
) {
  subgroupLane = ownLane;
  subgroupWidth = ownWidth;
  body(workgroup, workgroups, lane);
}
fn body(workgroup: vec3<u32>, workgroups: vec3<u32>, lane: u32)`;

/** The entry point of most kernels. */
export const ENTRY = entryWgsl(WORKGROUP_SIZE);

/** Lanes of a workgroup that walks over one row of this length: more would wait at its barriers. */
export const lanesFor = (length: number): number =>
  length <= 128 ? 32 : length <= 1024 ? 64 : WORKGROUP_SIZE;

/** Number of this workgroup, counted over x, then y. */
export const GROUP_INDEX = "(workgroup.y * workgroups.x + workgroup.x)";

/** Number of this invocation among all. Compare it with the element count: folding rounds up. */
export const ELEMENT_INDEX = `(${GROUP_INDEX} * ${WORKGROUP_SIZE}u + lane)`;

/** What kernels compute with, whatever the operand is stored as. */
export const arithmeticOf = (dtype: DType): "f32" | "i32" => (dtype === "i32" ? "i32" : "f32");

/** `var<storage>` declarations of arrays at bindings 0, 1, ...; then the static params. */
export function declareBindings(
  arrays: readonly (readonly [
    name: string,
    type: "f32" | "f16" | "i32" | "vec4<f32>" | "vec4<f16>",
  ])[],
  params = 0,
): string {
  const lines = arrays.map(
    ([name, type], i) =>
      `@group(0) @binding(${i}) var<storage, read_write> ${name}: array<${type}>;`,
  );
  if (params > 0) {
    lines.push(
      `@group(0) @binding(${arrays.length}) var<uniform> params: array<vec4<u32>, ${params}>;`,
    );
  }
  return lines.join("\n");
}

/**
 * Numbers of a dispatch packed for `params`, padded to whole vec4s. A float is stored by its bits:
 * read it with `bitcast<f32>(...)`.
 */
export function packParams(
  ...numbers: readonly (number | { readonly f32: number })[]
): Uint32Array {
  const words = new Uint32Array(Math.max(4, Math.ceil(numbers.length / 4) * 4));
  const floats = new Float32Array(words.buffer);
  for (const [i, number] of numbers.entries()) {
    if (typeof number === "number") words[i] = number;
    else floats[i] = number.f32;
  }
  return words;
}

/** WGSL's tanh may overflow through exp on some drivers: stay where it cannot. */
export const TANH_WGSL = `
fn safeTanh(x: f32) -> f32 { return tanh(clamp(x, -9.02, 9.02)); }
`;

/** erf(a) = 1 - exp(-a R(a)); R as in kernels/simd_math.as.ts. Absolute error below 3e-7. */
export const ERF_WGSL = `
fn erf(x: f32) -> f32 {
  let a = min(abs(x), 3.95);
  var t = 7.559200412288192e-7;
  t = t * a - 0.000015311205061152577;
  t = t * a + 0.00013367105566430837;
  t = t * a - 0.0006417609984055161;
  t = t * a + 0.0016366865020245314;
  t = t * a - 0.00010333538375562057;
  t = t * a - 0.01918971724808216;
  t = t * a + 0.10278656333684921;
  t = t * a + 0.6366189122200012;
  t = t * a + 1.128379225730896;
  return select(1.0, -1.0, x < 0.0) * (1.0 - exp(-t * a));
}
`;
