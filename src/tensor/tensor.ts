// The graph core. Calling an op records a node; nothing is computed here and no device is known.
import { type DType, type Shape, ShapeError, sizeOf, type TensorSpec } from "./shape.ts";
import type { Variable } from "./variable.ts";

/** What the graph needs to know of an op. The full contract is kernels/op.ts. */
export interface GraphOp<Attributes> {
  readonly name: string;
  /** Output specs, or a ShapeError. */
  infer(attributes: Attributes, inputs: readonly TensorSpec[]): TensorSpec[];
  /**
   * Vector-Jacobian product as graph nodes: one gradient per input, undefined where none flows.
   * `outputGradients[i]` is undefined where the loss does not depend on output i.
   */
  gradient?(
    node: OpNode<Attributes>,
    outputGradients: readonly (Tensor | undefined)[],
  ): readonly (Tensor | undefined)[];
  /**
   * `sum` plus the only output of such a node, in one pass where the op itself can add: a fresh node, which
   * leaves the given one without a user. Undefined if it cannot for this dtype.
   */
  addedTo?(sum: Tensor, node: OpNode<Attributes>): Tensor | undefined;
}

export interface OpNode<Attributes = unknown> {
  readonly kind: "op";
  readonly id: number;
  readonly op: GraphOp<Attributes>;
  readonly attributes: Attributes;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Fed anew at every call of a compiled function. */
export interface InputNode {
  readonly kind: "input";
  readonly id: number;
  readonly name: string;
}

/** Host data that never changes. */
export interface ConstantNode {
  readonly kind: "constant";
  readonly id: number;
  readonly data: Float32Array | Int32Array;
}

/** What a Variable held when the call began. */
export interface VariableNode {
  readonly kind: "variable";
  readonly id: number;
  readonly variable: Variable;
}

export type Node = OpNode | InputNode | ConstantNode | VariableNode;

let nextId = 0;
/** Nodes are numbered in program order: inputs always have smaller numbers than their users. */
export const newNodeId = (): number => nextId++;

/** An immutable handle: a shape, a dtype and the graph node that produces it. */
export class Tensor {
  constructor(
    readonly node: Node,
    readonly index: number,
    readonly spec: TensorSpec,
  ) {}

  get shape(): Shape {
    return this.spec.shape;
  }

  get dtype(): TensorSpec["dtype"] {
    return this.spec.dtype;
  }

  get size(): number {
    return sizeOf(this.spec.shape);
  }
}

const specOf = (tensor: Tensor): TensorSpec => tensor.spec;

/** Records one op and returns all its outputs. */
export function applyAll<Attributes>(
  op: GraphOp<Attributes>,
  attributes: Attributes,
  ...inputs: readonly Tensor[]
): readonly Tensor[] {
  const specs = op.infer(attributes, inputs.map(specOf));
  const outputs: Tensor[] = [];
  const node: OpNode<Attributes> = {
    kind: "op",
    id: newNodeId(),
    op,
    attributes,
    inputs,
    outputs,
  };
  for (let index = 0; index < specs.length; index++) {
    outputs.push(new Tensor(node as OpNode, index, specs[index]));
  }
  return outputs;
}

/** Records one op with a single output. */
export function apply<Attributes>(
  op: GraphOp<Attributes>,
  attributes: Attributes,
  ...inputs: readonly Tensor[]
): Tensor {
  return applyAll(op, attributes, ...inputs)[0];
}

/** A tensor fed at every call. */
export function input(name: string, spec: TensorSpec): Tensor {
  return new Tensor({ kind: "input", id: newNodeId(), name }, 0, spec);
}

/** A tensor of fixed host data; Int32Array makes i32, Float32Array f32, or f16 when asked to. */
export function constant(
  data: Float32Array | Int32Array,
  shape: Shape,
  float: "f32" | "f16" = "f32",
): Tensor {
  const dtype = data instanceof Int32Array ? "i32" : float;
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError("constant", [{ shape, dtype }], `got ${data.length} elements`);
  }
  return new Tensor({ kind: "constant", id: newNodeId(), data }, 0, { shape, dtype });
}

/** Scalar constant, f32 unless told otherwise. */
export const scalar = (value: number, dtype: DType = "f32"): Tensor =>
  dtype === "i32"
    ? constant(Int32Array.of(value), [])
    : constant(Float32Array.of(value), [], dtype);
