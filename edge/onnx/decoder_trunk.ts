import type { Value } from "./graph.ts";
import type { GraphLayers, GraphModel } from "./graph_layers.ts";

/** A layer's attention, number and name given: (R, C) -> (R, C). */
type Attention = (n: number, name: string, x: Value) => Value;

/**
 * The decoder but for what depends on how the past is kept.
 *
 * @returns logits (R, V) of the tokens that the input `tokens` (R) holds.
 */
export function decoderTrunk(
  layers: GraphLayers,
  model: GraphModel,
  attention: { readonly self: Attention; readonly cross: Attention },
): Value {
  const { architecture } = model;
  const { embed_dim: C, output_dim, final_norm, normalize_before: before } = architecture.decoder;
  let x = layers.inputs("decoder", model, layers.graph.input("tokens", "i32", ["R"])); // (R, C)
  for (let n = 0; n < architecture.decoder.layers; n++) {
    const name = `decoder.layers.${n}`;
    x = layers.residual(`${name}.self_attn_layer_norm`, before, x, (from) =>
      attention.self(n, `${name}.self_attn`, from),
    );
    x = layers.residual(`${name}.encoder_attn_layer_norm`, before, x, (from) =>
      attention.cross(n, `${name}.encoder_attn`, from),
    );
    x = layers.residual(`${name}.final_layer_norm`, before, x, (from) =>
      layers.feedForward(name, architecture.activation_fn, from),
    );
  }
  if (final_norm) x = layers.norm("decoder.layer_norm", x);
  if (output_dim !== C) x = layers.linear("decoder.project_out_dim", x);
  return layers.linear("decoder.output_projection", x);
}
