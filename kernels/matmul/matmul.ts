// The product of two tensors in all transposition and batch forms.
import { type Shape, ShapeError, sameShape, sizeOf } from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { binaryReference } from "../elementwise/reference.ts";
import { broadcastTo, reshape, wholeCopyCpu } from "../movement/index.ts";
import { wholeCopyWgsl } from "../movement/wgsl.ts";
import { type GpuAnswer, type GpuChoice, type GpuDispatch, isGpuChoice, type Op } from "../op.ts";
import { sumTo } from "../reduce/index.ts";
import { productCpu } from "./cpu.ts";
import { matmulAddedExamples, matmulExamples } from "./examples.ts";
import { matmulReference } from "./reference.ts";
import { batchOf, type MatmulAttributes, productOf } from "./shapes.ts";
import { productWgsl } from "./wgsl.ts";

const operands = { a: { input: 0 }, b: { input: 1 }, c: { output: 0 } } as const;

export const matmulOp: Op<MatmulAttributes> = {
  name: "matmul",
  infer(attributes, specs) {
    return [{ shape: productOf("matmul", attributes, specs).shape, dtype: specs[0].dtype }];
  },
  gradient: ({ attributes, inputs: [a, b] }, [dc]) =>
    dc ? productGradients(attributes, a, b, dc) : [],
  reference: (attributes, inputs) => [matmulReference(attributes, inputs)],
  cpu({ attributes, inputs }, facts) {
    const { product } = productOf("matmul", attributes, inputs);
    return productCpu({ ...product, accumulate: false, activation: "linear" }, operands, facts);
  },
  webgpu({ attributes, inputs }, facts) {
    const { product } = productOf("matmul", attributes, inputs);
    const shape = { ...product, accumulate: false, activation: "linear" } as const;
    return productWgsl(shape, { ...operands, areHalves: inputs[0].dtype === "f16" }, facts);
  },
  addedTo: (sum, { attributes, inputs: [a, b] }) =>
    sum.dtype === "f32" ? apply(matmulAddedOp, attributes, a, b, sum) : undefined,
  halfInputs: [0, 1],
  examples: matmulExamples,
};

export const matmulAddedOp: Op<MatmulAttributes> = {
  name: "matmul_added",
  // a, b as of matmul, c of its result's shape -> c + op(a) op(b)
  infer(attributes, inputs) {
    const [a, b, c] = inputs;
    const { shape } = productOf("matmul_added", attributes, [a, b]);
    if (a.dtype !== "f32" || c.dtype !== "f32" || !sameShape(c.shape, shape)) {
      throw new ShapeError("matmul_added", inputs, `the third must be f32(${shape.join(", ")})`);
    }
    return [c];
  },
  gradient({ attributes, inputs: [a, b] }, [dc]) {
    return dc ? [...productGradients(attributes, a, b, dc), dc] : [];
  },
  reference: (attributes, [a, b, c]) => [
    binaryReference("add", [matmulReference(attributes, [a, b]), c]),
  ],
  cpu({ attributes, inputs: [a, b, c] }, facts) {
    const { product } = productOf("matmul_added", attributes, [a, b]);
    const shape = { ...product, accumulate: true, activation: "linear" } as const;
    return [wholeCopyCpu(2, sizeOf(c.shape)), ...productCpu(shape, operands, facts)];
  },
  webgpu({ attributes, inputs: [a, b, c] }, facts) {
    const { product } = productOf("matmul_added", attributes, [a, b]);
    const shape = { ...product, accumulate: true, activation: "linear" } as const;
    return after(wholeCopyWgsl(2, c, facts), productWgsl(shape, operands, facts));
  },
  inPlace: [[0, 2]],
  examples: matmulAddedExamples,
};

/** What a product needs done first, before each of its candidates. */
const after = (first: GpuDispatch, product: GpuDispatch | GpuChoice): GpuAnswer =>
  isGpuChoice(product)
    ? {
        ...product,
        candidates: product.candidates.map(({ name, dispatches }) => ({
          name,
          dispatches: () => [first, ...dispatches()],
        })),
      }
    : [first, product];

/** C = A B: dA = dC B^T, dB = A^T dC; the other forms by transposing these. */
function productGradients(
  { transA, transB, merge }: MatmulAttributes,
  a: Tensor,
  b: Tensor,
  dc: Tensor,
): readonly [da: Tensor, db: Tensor] {
  const product = (x: Tensor, y: Tensor, left: boolean, right: boolean): Tensor =>
    apply(matmulOp, { transA: left, transB: right, merge }, x, y);
  const da = transA ? product(b, dc, transB, true) : product(dc, b, false, !transB);
  const db = transB ? product(dc, a, true, transA) : product(a, dc, !transA, false);
  return [fold(da, a, merge), fold(db, b, merge)];
}

/** A gradient in its operand's own shape: summed over the batch that the operand served. */
const fold = (gradient: Tensor, { shape }: Tensor, merge: boolean): Tensor =>
  merge ? reshape(gradient, shape) : sumTo(gradient, shape);

export interface MatmulOptions {
  /** The last two axes of the operand change places. Default false. */
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/**
 * op(a) op(b): (..., M, K) x (..., K, N) -> (..., M, N); also (K) x (K, N) -> (N). Batch axes
 * broadcast as in NumPy; a matrix that serves a whole batch is not copied.
 *
 * @throws ShapeError
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false }: MatmulOptions = {},
): Tensor {
  // One matrix on the right: the rows of the whole batch are the rows of one product.
  if (!transA && a.shape.length >= 1 && b.shape.length === 2) {
    return apply(matmulOp, { transA, transB, merge: true }, a, b);
  }
  const batch = batchOf("matmul", a.spec, b.spec);
  return apply(matmulOp, { transA, transB, merge: false }, spread(a, batch), spread(b, batch));
}

/**
 * a^T b with all leading axes merged: (..., M) x (..., N) -> (M, N), the gradient of a weight.
 *
 * @throws ShapeError unless both have equally many rows.
 */
export const matmulOfRows = (a: Tensor, b: Tensor): Tensor =>
  apply(matmulOp, { transA: true, transB: false, merge: true }, a, b);

/** Repeats the operand over the batch where it varies over some of the axes only. */
function spread(x: Tensor, batch: Shape): Tensor {
  const own = x.shape.slice(0, -2);
  if (sizeOf(own) === 1 || sizeOf(own) === sizeOf(batch)) return x;
  return broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
}
