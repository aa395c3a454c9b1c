// Products in tiles of C as dispatches: one workgroup for each tile, over all of K or, where the result
// alone would leave an adapter idle, over parts of K whose sums a second dispatch adds in order.
import type { GpuCandidate, GpuDispatch, GpuFacts } from "../op.ts";
import { ELEMENT_INDEX, ENTRY, elementWorkgroups } from "../wgsl.ts";
import type { ProductShape } from "./split.ts";
import {
  type Access,
  accessOf,
  endWgsl,
  type GpuProductOperands,
  operandBindings,
  operandNames,
  type Parts,
  productParams,
  type Stored,
} from "./wgsl_operands.ts";

/** A workgroup's part of C. */
export interface TileSize {
  readonly rows: number;
  readonly columns: number;
}

/** A kernel that computes C tile by tile. */
export interface TileKernel extends TileSize {
  readonly name: string;
  /** How much of K is in workgroup memory. */
  readonly depth: number;
  /** What the text reads A and B as. */
  readonly stored: Stored;
  /** What WGSL wants at the head of the text: extensions. */
  readonly directives: string;
  /**
   * What follows the operands. Workgroups x, y compute the tile; z walks over jobs, of which there are
   * batches() * parts(): the first begins at partDepth() * (job / batches()) of K.
   */
  text(shape: ProductShape, access: Access): string;
}

export const workgroupsOf = ({ rows, columns }: TileSize, { M, N, batch }: ProductShape): number =>
  Math.ceil(M / rows) * Math.ceil(N / columns) * batch;

/** The product in tiles; with `parts` above 1 the sum over K is cut and a second dispatch adds up. */
export const inTiles = (
  kernel: TileKernel,
  parts: number,
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuCandidate => ({
  name: parts === 1 ? kernel.name : `${kernel.name}, ${parts} parts`,
  dispatches: () =>
    parts === 1
      ? [whole(kernel, shape, operands, facts)]
      : inParts(kernel, parts, shape, operands, facts),
});

function codeOf(kernel: TileKernel, shape: ProductShape, names: readonly string[]): string {
  const access = accessOf(shape);
  return `${kernel.directives}${endWgsl(shape, names, access, kernel.stored)}${kernel.text(shape, access)}`;
}

const whole = (
  kernel: TileKernel,
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuDispatch => ({
  code: codeOf(kernel, shape, operandNames(operands)),
  bindings: operandBindings(operands),
  params: productParams(shape),
  workgroups: grid(kernel, shape, shape.batch, facts),
});

function inParts(
  kernel: TileKernel,
  count: number,
  shape: ProductShape,
  operands: GpuProductOperands,
  facts: GpuFacts,
): GpuDispatch[] {
  const { M, N, K, batch } = shape;
  const depth = Math.ceil(K / count / kernel.depth) * kernel.depth;
  const parts: Parts = { count, depth };
  const sums = { shared: "parts", bytes: count * batch * M * N * 4 };
  const bare: ProductShape = {
    ...shape,
    ...{ accumulate: false, activation: "linear", ldc: N },
    strides: [shape.strides[0], shape.strides[1], M * N],
  };
  return [
    {
      code: codeOf(kernel, bare, ["a", "b", "c"]),
      bindings: [operands.a, operands.b, sums],
      params: productParams(bare, parts),
      workgroups: grid(kernel, shape, batch * count, facts),
    },
    {
      code: addPartsWgsl(shape, operandNames(operands)),
      bindings: [...operandBindings(operands).slice(2), sums],
      params: productParams(shape, parts),
      workgroups: elementWorkgroups(batch * M * N, facts),
    },
  ];
}

const grid = (
  { rows, columns }: TileSize,
  { M, N }: ProductShape,
  depth: number,
  { maxWorkgroupsPerDimension }: GpuFacts,
): [number, number, number] => [
  Math.ceil(N / columns),
  Math.ceil(M / rows),
  Math.min(depth, maxWorkgroupsPerDimension),
];

/** One invocation per element adds its parts, in order, and ends the product. */
const addPartsWgsl = (shape: ProductShape, [, , ...end]: readonly string[]): string => `
${endWgsl(shape, [...end, "sums"], "scalar")}
${ENTRY} {
  let i = ${ELEMENT_INDEX};
  let size = sizeM() * sizeN();
  if (i >= batches() * size) { return; }
  var sum = 0.0;
  for (var part = 0u; part < parts(); part++) { sum += sums[part * batches() * size + i]; }
  storeElement(i / size, (i / sizeN()) % sizeM(), i % sizeN(), sum);
}`;
