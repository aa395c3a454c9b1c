// permute, slice, concat, broadcastTo, pad and copy: each says which strided copies it is.
import {
  broadcastShapes,
  type Shape,
  ShapeError,
  sameShape,
  sizeOf,
  stridesOf,
  type TensorSpec,
} from "../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../src/tensor/tensor.ts";
import { broadcastStrides } from "../merged_axes.ts";
import type { NoAttributes, Op, OpSpec } from "../op.ts";
import { sumTo } from "../reduce/index.ts";
import {
  broadcastExamples,
  concatExamples,
  copyExamples,
  padExamples,
  permuteExamples,
  sliceExamples,
} from "./examples.ts";
import {
  broadcastReference,
  concatReference,
  padReference,
  permuteReference,
  sliceReference,
} from "./reference.ts";
import { copiesCpu, gathering, mergeCopy, type StridedCopy } from "./strided.ts";
import { copiesWgsl, fillWgsl } from "./wgsl.ts";

type Parts = "infer" | "gradient" | "reference" | "examples";

/** An op from its strided copies; `fills` when they leave gaps that must be zero. */
function copyingOp<Attributes>(
  parts: Pick<Op<Attributes>, Parts> & {
    readonly name: string;
    readonly copies: (spec: OpSpec<Attributes>) => readonly StridedCopy[];
    readonly fills?: boolean;
  },
): Op<Attributes> {
  const { name, copies, fills, infer, ...rest } = parts;
  const merged = (spec: OpSpec<Attributes>) =>
    copies(spec).map((copy) => mergeCopy(name, spec.inputs, copy));
  return {
    name,
    ...rest,
    halfInputs: "all",
    infer(attributes, inputs) {
      const outputs = infer(attributes, inputs);
      // Refuse at recording time what no kernel can walk.
      merged({ attributes, inputs, outputs });
      return outputs;
    },
    cpu(spec) {
      if (!fills) return copiesCpu(merged(spec));
      const fill = {
        kernel: "movement_fill",
        arguments: [{ output: 0 }, { f32: 0 }],
        work: sizeOf(spec.outputs[0].shape),
        grain: 16384,
      };
      return [fill, ...copiesCpu(merged(spec))];
    },
    webgpu(spec, facts) {
      const dispatches = copiesWgsl(merged(spec), spec.outputs[0].dtype, facts);
      return fills ? [fillWgsl(spec.outputs[0], facts), ...dispatches] : dispatches;
    },
  };
}

const copyOp = copyingOp<NoAttributes>({
  name: "copy",
  infer: (_, [x]) => [x],
  gradient: (_, [dy]) => [dy],
  reference: (_, [x]) => [x],
  examples: copyExamples,
  copies: ({ inputs: [x] }) => gathering(x.shape, stridesOf(x.shape)),
});

/** x again, in storage of its own. */
export const copy = copyOp;

export interface Permutation {
  /** Axis i of the result is axis axes[i] of x. */
  readonly axes: readonly number[];
}

const permuteOp = copyingOp<Permutation>({
  name: "permute",
  infer({ axes }, [x]) {
    const sorted = [...axes].sort((a, b) => a - b);
    if (axes.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError("permute", [x], `(${axes.join(", ")}) does not name every axis once`);
    }
    return [{ shape: axes.map((axis) => x.shape[axis]), dtype: x.dtype }];
  },
  gradient({ attributes: { axes } }, [dy]) {
    const back = axes.map((_, i) => axes.indexOf(i));
    return dy ? [permute(dy, back)] : [];
  },
  reference: ({ axes }, [x]) => [permuteReference(axes, x)],
  examples: permuteExamples,
  copies({ attributes: { axes }, inputs: [x], outputs: [y] }) {
    const strides = stridesOf(x.shape);
    return gathering(
      y.shape,
      axes.map((axis) => strides[axis]),
    );
  },
});

/** x with its axes in another order: axis i of the result is axis axes[i] of x. @throws ShapeError */
export const permute = (x: Tensor, axes: readonly number[]): Tensor =>
  apply(permuteOp, { axes }, x);

export interface Slice {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
}

const sliceOp = copyingOp<Slice>({
  name: "slice",
  infer({ axis, start, end }, [x]) {
    const extent = x.shape[axis];
    if (!(start >= 0 && start <= end && end <= extent)) {
      throw new ShapeError("slice", [x], `${start}..${end} is not within axis ${axis}`);
    }
    return [{ shape: x.shape.with(axis, end - start), dtype: x.dtype }];
  },
  gradient({ attributes: { axis, start, end }, inputs: [x] }, [dy]) {
    return dy ? [padAxis(dy, axis, start, x.shape[axis] - end)] : [];
  },
  reference: (attributes, [x]) => [sliceReference(attributes, x)],
  examples: sliceExamples,
  copies({ attributes: { axis, start }, inputs: [x], outputs: [y] }) {
    const strides = stridesOf(x.shape);
    return gathering(y.shape, strides, start * strides[axis]);
  },
});

/** x[start..end) along an axis counted from the front. */
export const sliceAxis = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  start === 0 && end === x.shape[axis] ? x : apply(sliceOp, { axis, start, end }, x);

export interface Concatenation {
  readonly axis: number;
}

const concatOp = copyingOp<Concatenation>({
  name: "concat",
  infer({ axis }, inputs) {
    const [first] = inputs;
    let extent = 0;
    for (const { shape, dtype } of inputs) {
      if (dtype !== first.dtype) throw new ShapeError("concat", inputs, "dtypes differ");
      const fits = shape.length === first.shape.length;
      if (!fits || !sameShape(shape.with(axis, 0), first.shape.with(axis, 0))) {
        throw new ShapeError("concat", inputs, `only axis ${axis} may differ`);
      }
      extent += shape[axis];
    }
    return [{ shape: first.shape.with(axis, extent), dtype: first.dtype }];
  },
  gradient({ attributes: { axis }, inputs }, [dy]) {
    if (!dy) return [];
    let start = 0;
    return inputs.map(({ shape }) => {
      const part = sliceAxis(dy, axis, start, start + shape[axis]);
      start += shape[axis];
      return part;
    });
  },
  reference: ({ axis }, inputs) => [concatReference(axis, inputs)],
  examples: concatExamples,
  copies({ attributes: { axis }, inputs, outputs: [y] }) {
    const yStrides = stridesOf(y.shape);
    let start = 0;
    return inputs.map(({ shape }, input) => {
      const yOffset = start * yStrides[axis];
      start += shape[axis];
      return { input, shape, xOffset: 0, xStrides: stridesOf(shape), yOffset, yStrides };
    });
  },
});

export const concatAxis = (tensors: readonly Tensor[], axis: number): Tensor =>
  tensors.length === 1 ? tensors[0] : apply(concatOp, { axis }, ...tensors);

export interface Broadcast {
  readonly shape: Shape;
}

const broadcastOp = copyingOp<Broadcast>({
  name: "broadcast_to",
  infer({ shape }, [x]) {
    const target: TensorSpec = { shape, dtype: x.dtype };
    if (!sameShape(broadcastShapes("broadcast_to", x, target), shape)) {
      throw new ShapeError("broadcast_to", [x], `does not broadcast to (${shape.join(", ")})`);
    }
    return [target];
  },
  gradient: ({ inputs: [x] }, [dy]) => (dy ? [sumTo(dy, x.shape)] : []),
  reference: ({ shape }, [x]) => [broadcastReference(shape, x)],
  examples: broadcastExamples,
  copies: ({ attributes: { shape }, inputs: [x] }) =>
    gathering(shape, broadcastStrides(x.shape, shape)),
});

/** x repeated to `shape` under NumPy's rules. @throws ShapeError */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(broadcastOp, { shape }, x);

export interface Padding {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
}

const padOp = copyingOp<Padding>({
  name: "pad",
  fills: true,
  infer({ axis, before, after }, [x]) {
    if (!(before >= 0 && after >= 0)) throw new ShapeError("pad", [x], "padding is negative");
    return [{ shape: x.shape.with(axis, before + x.shape[axis] + after), dtype: x.dtype }];
  },
  gradient({ attributes: { axis, before }, inputs: [x] }, [dy]) {
    return dy ? [sliceAxis(dy, axis, before, before + x.shape[axis])] : [];
  },
  reference: (attributes, [x]) => [padReference(attributes, x)],
  examples: padExamples,
  copies({ attributes: { axis, before }, inputs: [x], outputs: [y] }) {
    const yStrides = stridesOf(y.shape);
    const yOffset = before * yStrides[axis];
    return [
      { input: 0, shape: x.shape, xOffset: 0, xStrides: stridesOf(x.shape), yOffset, yStrides },
    ];
  },
});

/** Zeros before and after x along an axis counted from the front. */
export const padAxis = (x: Tensor, axis: number, before: number, after: number): Tensor =>
  before === 0 && after === 0 ? x : apply(padOp, { axis, before, after }, x);

export const rearrangeOps = [
  copyOp,
  permuteOp,
  sliceOp,
  concatOp,
  broadcastOp,
  padOp,
] as readonly Op<unknown>[];
