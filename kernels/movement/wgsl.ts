// Movement kernels for WebGPU.
// Work: one invocation per element of what is written; scatter-add one workgroup per row of y.
import { type DType, isFloat, sizeOf, type TensorSpec } from "../../src/tensor/shape.ts";
import type { GpuBinding, GpuDispatch, GpuFacts, NoAttributes, OpSpec } from "../op.ts";
import {
  arithmeticOf,
  declareBindings,
  ELEMENT_INDEX,
  ENTRY,
  elementWorkgroups,
  entryWgsl,
  foldWorkgroups,
  GROUP_INDEX,
  lanesFor,
  packParams,
} from "../wgsl.ts";
import type { RowsCopy } from "./rows.ts";
import type { MergedCopy } from "./strided.ts";

export const copiesWgsl = (
  copies: readonly MergedCopy[],
  dtype: DType,
  facts: GpuFacts,
): GpuDispatch[] =>
  copies
    .filter(({ elements }) => elements > 0)
    .map(({ input, elements, xOffset, yOffset, extents, xStrides, yStrides }) => ({
      code: `
${declareBindings(
  [
    ["x", arithmeticOf(dtype)],
    ["y", arithmeticOf(dtype)],
  ],
  5,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  // Words: elements; offsets of x, y; extents 1..4 at word 4; strides of x 0..4 at 8, of y at 13.
  let e4 = params[1].w;
  let e3 = params[1].z;
  let e2 = params[1].y;
  let e1 = params[1].x;
  let i4 = i % e4;
  let i3 = (i / e4) % e3;
  let i2 = (i / (e4 * e3)) % e2;
  let i1 = (i / (e4 * e3 * e2)) % e1;
  let i0 = i / (e4 * e3 * e2 * e1);
  let source = params[0].y + i0 * params[2].x + i1 * params[2].y + i2 * params[2].z + i3 * params[2].w
    + i4 * params[3].x;
  let to = params[0].z + i0 * params[3].y + i1 * params[3].z + i2 * params[3].w + i3 * params[4].x
    + i4 * params[4].y;
  y[to] = x[source];
}`,
      bindings: [{ input }, { output: 0 }],
      params: packParams(
        elements,
        xOffset,
        yOffset,
        0,
        ...extents.slice(1),
        ...xStrides,
        ...yStrides,
      ),
      workgroups: elementWorkgroups(elements, facts),
    }));

/** y = 0 */
export function fillWgsl(y: TensorSpec, facts: GpuFacts): GpuDispatch {
  const elements = sizeOf(y.shape);
  return {
    code: `
${declareBindings([["y", arithmeticOf(y.dtype)]], 1)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i < params[0].x) { y[i] = ${arithmeticOf(y.dtype)}(0); }
}`,
    bindings: [{ output: 0 }],
    params: packParams(elements),
    workgroups: elementWorkgroups(elements, facts),
  };
}

export const gatherWgsl = (
  { rows, width, count, scale }: RowsCopy,
  dtype: DType,
  facts: GpuFacts,
): GpuDispatch => ({
  code: `
${declareBindings(
  [
    ["x", arithmeticOf(dtype)],
    ["index", "i32"],
    ["y", arithmeticOf(dtype)],
  ],
  1,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i >= params[0].x) { return; }
  let width = params[0].z;
  let row = u32(index[i / width]);
  if (row >= params[0].y) { y[i] = ${arithmeticOf(dtype)}(0); return; }
  y[i] = ${isFloat(dtype) ? "bitcast<f32>(params[0].w) * " : ""}x[row * width + i % width];
}`,
  bindings: [{ input: 0 }, { input: 1 }, { output: 0 }],
  params: packParams(count * width, rows, width, { f32: scale }),
  workgroups: elementWorkgroups(count * width, facts),
});

const CLEAR_ROW_WGSL = `for (var column = lane; column < width; column = column + LANES) {
    y[row * width + column] = 0.0;
  }`;

/**
 * One workgroup per row of y. As many tokens as lanes are compared with the row at a time; the hits
 * are then added in order, lanes side by side in the row's columns. Sums are f32: those of halves lie
 * elsewhere until they are rounded.
 *
 * @param adds to what y holds, f32 only, in place of zeros.
 */
export function scatterWgsl(
  { rows, width, count, scale, skipped }: RowsCopy,
  dtype: DType,
  facts: GpuFacts,
  adds = false,
): GpuDispatch[] {
  const y = { output: 0 } as const;
  const elements = rows * width;
  const sums = dtype === "f16" ? { shared: "sums", bytes: Math.max(4, 4 * elements) } : y;
  const added: GpuDispatch = {
    code: `
${declareBindings(
  [
    ["dy", "f32"],
    ["index", "i32"],
    ["y", "f32"],
  ],
  2,
)}
var<workgroup> hits: array<atomic<u32>, LANES / 32u>;
${entryWgsl(lanesFor(width))} {
  let row = ${GROUP_INDEX};
  let width = params[0].z;
  if (row >= params[0].y) { return; }
  ${adds ? "" : CLEAR_ROW_WGSL}
  if (row == params[1].x) { return; }
  let scale = bitcast<f32>(params[0].w);
  for (var first = 0u; first < params[0].x; first = first + LANES) {
    if (lane < LANES / 32u) { atomicStore(&hits[lane], 0u); }
    workgroupBarrier();
    let mine = first + lane;
    if (mine < params[0].x) {
      if (index[mine] == i32(row)) { atomicOr(&hits[lane / 32u], 1u << (lane % 32u)); }
    }
    workgroupBarrier();
    for (var word = 0u; word < LANES / 32u; word = word + 1u) {
      for (var bits = atomicLoad(&hits[word]); bits != 0u; bits = bits & (bits - 1u)) {
        let m = first + word * 32u + firstTrailingBit(bits);
        for (var column = lane; column < width; column = column + LANES) {
          y[row * width + column] = y[row * width + column] + scale * dy[m * width + column];
        }
      }
    }
    workgroupBarrier();
  }
}`,
    bindings: [{ input: 0 }, { input: 1 }, sums],
    params: packParams(count, rows, width, { f32: scale }, skipped >>> 0),
    workgroups: foldWorkgroups(rows, facts),
  };
  return sums === y ? [added] : [added, copyWgsl(sums, y, elements, dtype, facts)];
}

/** to = from */
const copyWgsl = (
  from: GpuBinding,
  to: GpuBinding,
  elements: number,
  dtype: DType,
  facts: GpuFacts,
): GpuDispatch => ({
  code: `
${declareBindings(
  [
    ["x", arithmeticOf(dtype)],
    ["y", arithmeticOf(dtype)],
  ],
  1,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  if (i < params[0].x) { y[i] = x[i]; }
}`,
  bindings: [from, to],
  params: packParams(elements),
  workgroups: elementWorkgroups(elements, facts),
});

/** An input like output 0 to it: left out where they are one memory. */
export const wholeCopyWgsl = (
  input: number,
  { shape, dtype }: TensorSpec,
  facts: GpuFacts,
): GpuDispatch => ({
  ...copyWgsl({ input }, { output: 0 }, sizeOf(shape), dtype, facts),
  copies: true,
});

/** The old cache first (left out in place), then the new rows. */
export function cacheStoreWgsl(
  { inputs: [cache, x] }: OpSpec<NoAttributes>,
  facts: GpuFacts,
): readonly GpuDispatch[] {
  const [, L, C] = cache.shape;
  const added = sizeOf(x.shape);
  const storeCode = `
${declareBindings(
  [
    ["rows", arithmeticOf(cache.dtype)],
    ["position", "i32"],
    ["y", arithmeticOf(cache.dtype)],
  ],
  1,
)}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  let at = u32(position[0]);
  if (i >= params[0].x || at >= params[0].y) { return; }
  let width = params[0].z;
  y[((i / width) * params[0].y + at) * width + i % width] = rows[i];
}`;
  return [
    wholeCopyWgsl(0, cache, facts),
    {
      code: storeCode,
      bindings: [{ input: 1 }, { input: 2 }, { output: 0 }],
      params: packParams(added, L, C),
      workgroups: elementWorkgroups(added, facts),
    },
  ];
}
