// decoder.onnx: one token of each hypothesis. B sentences, K hypotheses each, R = B K rows, L the longest
// source, T slots in the caches.
//
// inputs   tokens (R) i32; positions (1, C) f32 unless the model has none; weights
//          self_key_n, self_value_n (R, H, T, D), which the step writes in place at slot `past`
//          past (1) i32: tokens before this one, the same for all rows; beam (1) i32: K
//          ancestors (B, K, T) i32: the hypothesis of the sentence in whose row a slot was written
//          cross_key_n, cross_value_n (B, H, L, D); source_mask (B, L) i32: 1, or 0 for padding
//          inverse_temperature () f32; token_bias (V) f32; count (1) i64
// outputs  next_self_key_n, next_self_value_n: to be the same tensors as the inputs
//          log_probs (R, V); attention (B, K, L) of the last layer, the mean of its heads
//          scores, candidates (R, count): the best of log_probs + token_bias, of equal ones the lower token
import { decoderTrunk } from "./decoder_trunk.ts";
import { GraphBuilder, NONE, type Value } from "./graph.ts";
import { GraphLayers, type GraphModel } from "./graph_layers.ts";

export function decoderGraph(model: GraphModel): Uint8Array<ArrayBuffer> {
  return new DecoderGraph(model).finish();
}

class DecoderGraph {
  private readonly graph = new GraphBuilder("decoder");
  private readonly layers: GraphLayers;
  private readonly side: GraphModel["architecture"]["decoder"];
  private readonly past: Value;
  private readonly beam: Value;
  private readonly ancestors: Value;
  private readonly sourceMask: Value;
  /** (3) the shape that folds rows into B sentences. */
  private readonly folded: Value;

  constructor(private readonly model: GraphModel) {
    const { graph } = this;
    this.layers = new GraphLayers(graph, model);
    this.side = model.architecture.decoder;
    this.past = graph.input("past", "i32", [1]);
    this.beam = graph.input("beam", "i32", [1]);
    this.ancestors = graph.input("ancestors", "i32", ["B", "K", "T"]);
    this.sourceMask = graph.input("source_mask", "i32", ["B", "L"]);
    const sentences = graph.add("Shape", [this.sourceMask], { start: 0, end: 1 }); // (1)
    const rest = graph.integers([-1, this.side.embed_dim]);
    this.folded = graph.add("Concat", [sentences, rest], { axis: 0 });
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
    const { graph, layers, side, past, beam, ancestors } = this;
    const { embed_dim: C, attention_heads: H } = side;
    const packed = layers.reshape(layers.linear(`${name}.in_proj`, x), [-1, 1, 3 * C]);
    const parts = graph.addMany("Split", [packed], 3, { axis: 2, num_outputs: 3 }); // (R, 1, C)
    const shape = ["R", H, "T", C / H];
    const key = graph.input(`self_key_${n}`, "f32", shape);
    const value = graph.input(`self_value_${n}`, "f32", shape);
    const [attended, nextKey, nextValue] = graph.addContribMany(
      "DecoderMaskedMultiHeadAttention",
      [...parts, NONE, NONE, key, value, past, beam, ancestors],
      3,
      { num_heads: H, past_present_share_buffer: 1 },
    );
    graph.output(nextKey, `next_self_key_${n}`, "f32", shape);
    graph.output(nextValue, `next_self_value_${n}`, "f32", shape);
    return layers.linear(`${name}.out_proj`, layers.reshape(attended, [-1, C]));
  }

  /**
   * To the source: (R, C) -> (R, C). A sentence's hypotheses are queries of one product, so its keys and
   * values are kept once.
   */
  private crossAttention(n: number, name: string, x: Value): Value {
    const { graph, layers, side } = this;
    const { embed_dim: C, attention_heads: H } = side;
    const shape = ["B", H, "L", C / H];
    const key = graph.input(`cross_key_${n}`, "f32", shape);
    const value = graph.input(`cross_value_${n}`, "f32", shape);
    const query = graph.add("Reshape", [layers.linear(`${name}.q_proj`, x), this.folded]); // (B, K, C)
    const operands = [query, key, value, NONE, this.sourceMask];
    const results = graph.addContribMany("MultiHeadAttention", operands, 4, { num_heads: H });
    const [attended, , , scores] = results; // (B, K, C); (B, H, K, L), scaled and masked
    if (n === side.layers - 1) this.showAttention(scores);
    return layers.linear(`${name}.out_proj`, layers.reshape(attended, [-1, C]));
  }

  private showAttention(scores: Value): void {
    const { graph, side } = this;
    graph.declare(scores, "f32", ["B", side.attention_heads, "K", "L"]);
    const weights = graph.add("Softmax", [scores], { axis: 3 });
    const mean = graph.add("ReduceMean", [weights, graph.integers([1])], { keepdims: 0 });
    graph.output(mean, "attention", "f32", ["B", "K", "L"]);
  }

  private output(logits: Value): void {
    const { graph } = this;
    const V = "V";
    const inverse = graph.input("inverse_temperature", "f32", []);
    const scaled = graph.add("Mul", [logits, inverse]);
    const logProbs = graph.add("LogSoftmax", [scaled], { axis: 1 });
    const biased = graph.add("Add", [logProbs, graph.input("token_bias", "f32", [V])]);
    const operands = [biased, graph.input("count", "i64", [1])];
    const [scores, candidates] = graph.addMany("TopK", operands, 2, { axis: 1 });
    graph.output(logProbs, "log_probs", "f32", ["R", V]);
    graph.output(scores, "scores", "f32", ["R", "count"]);
    graph.output(candidates, "candidates", "i64", ["R", "count"]);
  }
}
