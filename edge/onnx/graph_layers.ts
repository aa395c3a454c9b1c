// The layers of a Transformer as nodes of a graph, over rows: every x is (M, width). Weights are inputs of
// the graph, so that files of graphs are small and both graphs share what lies in memory once.
import type { Activation, Manifest } from "../runtime/manifest.ts";
import { type GraphBuilder, NONE, type Value } from "./graph.ts";

/** What a graph is written for. */
export type GraphModel = Pick<Manifest, "architecture" | "tensors">;

/** PyTorch's and fairseq's default. */
const EPSILON = 1e-5;

const ACTIVATIONS: Readonly<Record<Activation, (graph: GraphBuilder, x: Value) => Value>> = {
  linear: (_, x) => x,
  relu: (graph, x) => graph.add("Relu", [x]),
  gelu: (graph, x) => graph.add("Gelu", [x]),
  gelu_accurate: (graph, x) => graph.add("Gelu", [x], { approximate: "tanh" }),
  tanh: (graph, x) => graph.add("Tanh", [x]),
  sigmoid: (graph, x) => graph.add("Sigmoid", [x]),
  swish: (graph, x) => graph.add("Mul", [x, graph.add("Sigmoid", [x])]),
  relu_squared(graph, x) {
    const rectified = graph.add("Relu", [x]);
    return graph.add("Mul", [rectified, rectified]);
  },
};

/** A block of a residual branch: (M, C) -> (M, C). */
type Block = (x: Value) => Value;

export class GraphLayers {
  private readonly tensors: ReadonlyMap<string, GraphModel["tensors"][number]>;

  constructor(
    readonly graph: GraphBuilder,
    model: GraphModel,
  ) {
    this.tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  }

  /**
   * x W^T + b: (M, K) -> (M, N). Matrices lie as (K, N): the way in which onnxruntime multiplies one row
   * without copying the matrix first. Integers have a scale for each of the N.
   */
  linear(name: string, x: Value): Value {
    const { graph } = this;
    const bias = this.tensors.has(`${name}.bias`) ? this.floats(`${name}.bias`) : NONE;
    if (this.isQuantised(`${name}.weight`)) return this.quantisedLinear(name, x, bias);
    const product = graph.add("MatMul", [x, this.matrix(`${name}.weight`)]);
    return bias === NONE ? product : graph.add("Add", [product, bias]);
  }

  /** factor * table[tokens]: (M) -> (M, C). The table lies as (C, V), like the output layer it may be tied to. */
  embedding(name: string, tokens: Value, factor: number): Value {
    const { graph } = this;
    if (this.isQuantised(`${name}.weight`)) return this.quantisedEmbedding(name, tokens, factor);
    return graph.add("Mul", [this.tableRows(name, tokens), graph.scalar(factor)]);
  }

  norm(name: string, x: Value): Value {
    const operands = [x, this.floats(`${name}.weight`), this.floats(`${name}.bias`)];
    return this.graph.add("LayerNormalization", operands, { axis: 1, epsilon: EPSILON });
  }

  /** x + block(norm(x)) when `before` (pre-norm), norm(x + block(x)) when not (post-norm). */
  residual(norm: string, before: boolean, x: Value, block: Block): Value {
    const branch = block(before ? this.norm(norm, x) : x);
    const sum = this.graph.add("Add", [x, branch]);
    return before ? sum : this.norm(norm, sum);
  }

  /** fc2(activation(fc1(x))). */
  feedForward(name: string, activation: Activation, x: Value): Value {
    const wide = ACTIVATIONS[activation](this.graph, this.linear(`${name}.fc1`, x));
    return this.linear(`${name}.fc2`, wide);
  }

  /** Tokens (M) and the rows of their positions to what the first layer reads, (M, C). */
  inputs(side: "encoder" | "decoder", model: GraphModel, tokens: Value): Value {
    const { graph } = this;
    const { embed_scale, embed_dim, positions, layernorm_embedding } = model.architecture[side];
    let x = this.embedding(`${side}.embed_tokens`, tokens, embed_scale);
    const project = `${side}.project_in_dim`;
    if (this.tensors.has(`${project}.weight`)) x = this.linear(project, x);
    if (positions !== "none") {
      const rows = graph.input("positions", "f32", ["positions", embed_dim]);
      x = graph.add("Add", [x, rows]);
    }
    return layernorm_embedding ? this.norm(`${side}.layernorm_embedding`, x) : x;
  }

  reshape(x: Value, sizes: readonly number[]): Value {
    return this.graph.add("Reshape", [x, this.graph.integers(sizes)]);
  }

  /** As `linear`, where the matrix is of integers. @param bias NONE if there is none. */
  protected quantisedLinear(name: string, x: Value, bias: Value): Value {
    const operands = [x, this.matrix(`${name}.weight`), this.floats(`${name}.weight_scale`)];
    return this.graph.addContrib("DynamicQuantizeMatMul", [...operands, NONE, bias]);
  }

  /** As `embedding`, where the table is of integers. */
  protected quantisedEmbedding(name: string, tokens: Value, factor: number): Value {
    const { graph } = this;
    const scales = graph.add("Gather", [this.floats(`${name}.weight_scale`), tokens], { axis: 0 });
    const factors = graph.add("Mul", [scales, graph.scalar(factor)]); // (M)
    const column = graph.add("Reshape", [factors, graph.integers([-1, 1])]);
    const numbers = graph.add("Cast", [this.tableRows(name, tokens)], { to: 1 });
    return graph.add("Mul", [numbers, column]);
  }

  protected tensor(name: string): GraphModel["tensors"][number] {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw new Error(`the model has no tensor ${name}`);
    return tensor;
  }

  /** table[tokens]: (M, C). */
  private tableRows(name: string, tokens: Value): Value {
    const columns = this.graph.add("Gather", [this.matrix(`${name}.weight`), tokens], { axis: 1 }); // (C, M)
    return this.graph.add("Transpose", [columns], { perm: [1, 0] });
  }

  private isQuantised(name: string): boolean {
    return this.tensors.get(name)?.dtype !== "f32";
  }

  private matrix(name: string): Value {
    const [rows, columns] = this.tensor(name).shape;
    return this.graph.input(name, this.isQuantised(name) ? "i8" : "f32", [columns, rows]);
  }

  private floats(name: string): Value {
    return this.graph.input(name, "f32", this.tensor(name).shape);
  }
}
