// The decoder for the WebGPU execution provider, which has no kernel for decoder.onnx's attention in place:
// here each step leaves a longer past, whose rows the next step picks. Letters are those of
// decoder_graph.ts; P tokens were before this one, in R' rows.
//
// inputs   tokens (R) i32; positions (1, C) f32 unless the model has none; weights
//          self_key_n, self_value_n (R', H, P, D); parents (R) i32: the row that each row continues
//          cross_key_n, cross_value_n (B, H, L, D); source_bias (B, 1, K, L) f32: 0, or LOWEST for padding
//          folded (3) i64: B, K, C
//          inverse_temperature () f32; token_bias (V) f32; count (1) i64
// outputs  next_self_key_n, next_self_value_n (R, H, P + 1, D)
//          log_probs (R, V); attention (B, K, L) of the last layer, the mean of its heads
//          scores, candidates (R, count): the best of log_probs + token_bias
import { decoderTrunk } from "../decoder_trunk.ts";
import { GraphBuilder, NONE, type Value } from "../graph.ts";
import type { GraphModel } from "../graph_layers.ts";
import { GpuLayers } from "./gpu_layers.ts";

export function gpuDecoderGraph(model: GraphModel): Uint8Array<ArrayBuffer> {
  return new GpuDecoderGraph(model).finish();
}

class GpuDecoderGraph {
  private readonly graph = new GraphBuilder("decoder");
  private readonly layers: GpuLayers;
  private readonly side: GraphModel["architecture"]["decoder"];
  private readonly parents: Value;
  private readonly sourceBias: Value;
  private readonly folded: Value;

  constructor(private readonly model: GraphModel) {
    const { graph } = this;
    this.layers = new GpuLayers(graph, model);
    this.side = model.architecture.decoder;
    this.parents = graph.input("parents", "i32", ["R"]);
    this.sourceBias = graph.input("source_bias", "f32", ["B", 1, "K", "L"]);
    this.folded = graph.input("folded", "i64", [3]);
  }

  finish(): Uint8Array<ArrayBuffer> {
    const logits = decoderTrunk(this.layers, this.model, {
      self: (n, name, x) => this.selfAttention(n, name, x),
      cross: (n, name, x) => this.crossAttention(n, name, x),
    });
    this.output(logits);
    return this.graph.finish();
  }

  /** To the row's own past: (R, C) -> (R, C). */
  private selfAttention(n: number, name: string, x: Value): Value {
    const { graph, layers, side } = this;
    const { embed_dim: C, attention_heads: H } = side;
    const packed = layers.reshape(layers.linear(`${name}.in_proj`, x), [-1, 1, 3 * C]);
    const parts = graph.addMany("Split", [packed], 3, { axis: 2, num_outputs: 3 }); // (R, 1, C)
    const past = ["key", "value"].map((what) => {
      const rows = graph.input(`self_${what}_${n}`, "f32", ["before", H, "P", C / H]);
      return graph.add("Gather", [rows, this.parents], { axis: 0 });
    });
    const operands = [...parts, NONE, NONE, NONE, ...past];
    const attributes = { num_heads: H };
    const results = graph.addContribMany("MultiHeadAttention", operands, 3, attributes);
    const [attended, nextKey, nextValue] = results;
    const shape = ["R", H, "P + 1", C / H];
    graph.output(nextKey, `next_self_key_${n}`, "f32", shape);
    graph.output(nextValue, `next_self_value_${n}`, "f32", shape);
    return layers.linear(`${name}.out_proj`, layers.reshape(attended, [-1, C]));
  }

  /** To the source: (R, C) -> (R, C), all hypotheses of a sentence at once. */
  private crossAttention(n: number, name: string, x: Value): Value {
    const { graph, layers, side } = this;
    const { embed_dim: C, attention_heads: H } = side;
    const shape = ["B", H, "L", C / H];
    const key = graph.input(`cross_key_${n}`, "f32", shape);
    const value = graph.input(`cross_value_${n}`, "f32", shape);
    const query = graph.add("Reshape", [layers.linear(`${name}.q_proj`, x), this.folded]); // (B, K, C)
    const isShown = n === side.layers - 1;
    const operands = [query, key, value, NONE, NONE, this.sourceBias];
    const attended = isShown
      ? this.shownAttention(query, key, value)
      : graph.addContrib("MultiHeadAttention", operands, { num_heads: H });
    return layers.linear(`${name}.out_proj`, layers.reshape(attended, [-1, C]));
  }

  /** As MultiHeadAttention, step by step, because the weights are a result too: (B, K, C). */
  private shownAttention(query: Value, key: Value, value: Value): Value {
    const { graph, layers, side } = this;
    const { embed_dim: C, attention_heads: H } = side;
    const heads = layers.reshape(query, [0, 0, H, C / H]);
    const queries = graph.add("Transpose", [heads], { perm: [0, 2, 1, 3] }); // (B, H, K, D)
    const keys = graph.add("Transpose", [key], { perm: [0, 1, 3, 2] }); // (B, H, D, L)
    const scale = graph.scalar(1 / Math.sqrt(C / H));
    const products = graph.add("Mul", [graph.add("MatMul", [queries, keys]), scale]);
    const masked = graph.add("Add", [products, this.sourceBias]);
    const weights = graph.add("Softmax", [masked], { axis: 3 }); // (B, H, K, L)
    const mean = graph.add("ReduceMean", [weights, graph.integers([1])], { keepdims: 0 });
    graph.output(mean, "attention", "f32", ["B", "K", "L"]);
    const sums = graph.add("MatMul", [weights, value]); // (B, H, K, D)
    const turned = graph.add("Transpose", [sums], { perm: [0, 2, 1, 3] });
    return layers.reshape(turned, [0, 0, C]);
  }

  private output(logits: Value): void {
    const { graph } = this;
    const V = "V";
    const rows = graph.integers([1]);
    const scaled = graph.add("Mul", [logits, graph.input("inverse_temperature", "f32", [])]);
    // LogSoftmax, for which there is no kernel.
    const shifted = graph.add("Sub", [scaled, graph.add("ReduceMax", [scaled, rows])]);
    const sums = graph.add("ReduceSum", [graph.add("Exp", [shifted]), rows]);
    const logProbs = graph.add("Sub", [shifted, graph.add("Log", [sums])]);
    const biased = graph.add("Add", [logProbs, graph.input("token_bias", "f32", [V])]);
    const operands = [biased, graph.input("count", "i64", [1])];
    const [scores, candidates] = graph.addMany("TopK", operands, 2, { axis: 1 });
    graph.output(logProbs, "log_probs", "f32", ["R", V]);
    graph.output(scores, "scores", "f32", ["R", "count"]);
    graph.output(candidates, "candidates", "i64", ["R", "count"]);
  }
}
