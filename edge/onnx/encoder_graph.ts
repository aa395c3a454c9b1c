// encoder.onnx: the tokens of one sentence to the keys and values that the decoder's layers attend to.
// A sentence at a time, so nothing is padded, and one scale for all activations serves one sentence.
//
// inputs   tokens (S) i32; positions (S, C) f32 unless the model has none; weights
// output   cross (2 layers H, S, D) f32: heads of layer 0's keys, of its values, of layer 1's keys, ...
import { GraphBuilder, type Value } from "./graph.ts";
import { GraphLayers, type GraphModel } from "./graph_layers.ts";

export function encoderGraph(model: GraphModel): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("encoder");
  const layers = new GraphLayers(graph, model);
  const { layers: L, attention_heads: H, embed_dim: C } = model.architecture.decoder;
  const heads = layers.reshape(encoderTrunk(layers, model), [-1, 2 * L * H, C / H]);
  const cross = graph.add("Transpose", [heads], { perm: [1, 0, 2] }); // (2 L H, S, D)
  graph.output(cross, "cross", "f32", [2 * L * H, "S", C / H]);
  return graph.finish();
}

/** Tokens to the decoder's keys and values side by side: (S, 2 L C), L layers of the decoder. */
export function encoderTrunk(layers: GraphLayers, model: GraphModel): Value {
  const { encoder, activation_fn } = model.architecture;
  const { normalize_before: before } = encoder;
  let x = layers.inputs("encoder", model, layers.graph.input("tokens", "i32", ["S"])); // (S, C)
  for (let n = 0; n < encoder.layers; n++) {
    const name = `encoder.layers.${n}`;
    x = layers.residual(`${name}.self_attn_layer_norm`, before, x, (from) =>
      selfAttention(layers, `${name}.self_attn`, from, encoder),
    );
    x = layers.residual(`${name}.final_layer_norm`, before, x, (from) =>
      layers.feedForward(name, activation_fn, from),
    );
  }
  if (before) x = layers.norm("encoder.layer_norm", x);
  return layers.linear("decoder.encoder_attn.kv_proj", x);
}

/** (S, C) -> (S, C). */
function selfAttention(
  layers: GraphLayers,
  name: string,
  x: Value,
  { embed_dim: C, attention_heads }: GraphModel["architecture"]["encoder"],
): Value {
  const { graph } = layers;
  const packed = layers.reshape(layers.linear(`${name}.in_proj`, x), [1, -1, 3 * C]);
  const parts = graph.addMany("Split", [packed], 3, { axis: 2, num_outputs: 3 }); // (1, S, C)
  const attended = graph.addContrib("MultiHeadAttention", parts, { num_heads: attention_heads });
  return layers.linear(`${name}.out_proj`, layers.reshape(attended, [-1, C]));
}
