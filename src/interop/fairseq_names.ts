// State dicts of fairseq's models under the names that fairseq 0.12.2 gives them after loading.
// What older versions called otherwise is renamed; what carries no information is dropped.
import { UserError } from "../config/user_error.ts";
import { DTYPE_BYTES, elementCount, type StoredTensor } from "./stored_tensor.ts";

/** A model's tensors by current names, and what became of the rest. */
export interface FairseqWeights {
  readonly tensors: Map<string, StoredTensor>;
  /** Names left out: version marks, uninitialised buffers, copies for a fused kernel. */
  readonly dropped: readonly string[];
  /**
   * Transformer stacks without a layer norm at their end. Post-norm stacks never have one; a
   * pre-norm stack without it is from before fairseq 0.6 and must be built so.
   */
  readonly withoutFinalNorm: readonly ("encoder" | "decoder")[];
}

// Copies of a layer's weights for a fused kernel of 0.12.2: never trained, overwritten on load.
const FUSED_COPY =
  /^encoder\.(?:sentence_encoder\.)?layers\.\d+\.(?:in_proj|out_proj|fc1|fc2)_(?:weight|bias)$/;
// `_float_tensor` is uninitialised memory; `weights` were sinusoidal positions, now computed.
const BUFFER = /(?:^|\.)(?:version|embed_positions\._float_tensor|embed_positions\.weights)$/;
const PACKED_PROJECTION = /^(.*\.)?in_proj_(weight|bias)$/;
const NUMBERED_NORM = /^(.*\blayers\.\d+\.)layer_norms\.(\d)\.(weight|bias)$/;
const ENCODER_NORMS = ["self_attn_layer_norm", "final_layer_norm"];
const DECODER_NORMS = ["self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"];

/**
 * Brings a state dict of a fairseq model up to date, as `upgrade_state_dict` of 0.12.2 does: the
 * names as in renameFairseqTensors; an output projection that is not there is taken from
 * `embed_out` or, failing that, from the embeddings it was tied to.
 */
export function upgradeFairseqState(
  state: ReadonlyMap<string, StoredTensor>,
  place: string,
): FairseqWeights {
  const { tensors, dropped } = renameFairseqTensors(state, place);
  completeOutputProjection(tensors);
  const withoutFinalNorm = (["encoder", "decoder"] as const).filter(
    (stack) =>
      !tensors.has(`${stack}.layer_norm.weight`) &&
      tensors.has(`${stack}.layers.0.self_attn.q_proj.weight`),
  );
  return { tensors, dropped, withoutFinalNorm };
}

/**
 * Tensors under today's names of their parameters: `in_proj_*` is cut into q, k and v; a
 * Transformer layer's `layer_norms.N` get their names; buffers and fused copies are dropped. Names
 * of models that never changed pass through.
 *
 * @throws UserError naming `place` if a packed projection cannot be cut in three.
 */
export function renameFairseqTensors(
  state: ReadonlyMap<string, StoredTensor>,
  place: string,
): { tensors: Map<string, StoredTensor>; dropped: string[] } {
  const tensors = new Map<string, StoredTensor>();
  const dropped: string[] = [];
  const attends = layersWithAttention(state.keys());
  for (const [name, tensor] of state) {
    if (isFairseqBuffer(name) || FUSED_COPY.test(name)) {
      dropped.push(name);
      continue;
    }
    for (const [now, part] of renamed(name, tensor, attends, place)) tensors.set(now, part);
  }
  return { tensors, dropped };
}

/** True for what stands in a state dict without being a parameter. */
export const isFairseqBuffer = (name: string): boolean => BUFFER.test(name);

function renamed(
  name: string,
  tensor: StoredTensor,
  attends: ReadonlySet<string>,
  place: string,
): [string, StoredTensor][] {
  const packed = PACKED_PROJECTION.exec(name);
  if (packed) {
    const [, prefix = "", kind] = packed;
    return thirds(name, tensor, place).map((part, i) => [
      `${prefix}${"qkv"[i]}_proj.${kind}`,
      part,
    ]);
  }
  const numbered = NUMBERED_NORM.exec(name);
  // LightConv encoders call their norms so to this day: only layers with self-attention changed.
  if (numbered && attends.has(numbered[1] ?? "")) {
    const [, layer = "", index = "", kind] = numbered;
    const norms = layer.startsWith("decoder.") ? DECODER_NORMS : ENCODER_NORMS;
    return [[`${layer}${norms[Number(index)] ?? `layer_norms.${index}`}.${kind}`, tensor]];
  }
  return [[name, tensor]];
}

function layersWithAttention(names: Iterable<string>): Set<string> {
  const layers = [...names].map((name) => /^(.*\blayers\.\d+\.)self_attn\./.exec(name)?.[1]);
  return new Set(layers.filter((layer) => layer !== undefined));
}

/** Query, key and value, stacked along the first axis: views of the packed tensor. */
function thirds(name: string, tensor: StoredTensor, place: string): StoredTensor[] {
  const [rows = 0, ...inner] = tensor.shape;
  if (rows % 3 !== 0) {
    throw new UserError({
      place,
      problem: `${name} of shape [${tensor.shape}] cannot be cut into q, k and v`,
      remedy: "the file holds no model of fairseq's that weft knows",
    });
  }
  const shape = [rows / 3, ...inner];
  const bytes = elementCount(shape) * DTYPE_BYTES[tensor.dtype];
  return [0, 1, 2].map((i) => ({
    dtype: tensor.dtype,
    shape,
    bytes: tensor.bytes.subarray(i * bytes, (i + 1) * bytes),
  }));
}

function completeOutputProjection(tensors: Map<string, StoredTensor>): void {
  const isTransformer = [...tensors.keys()].some((name) =>
    name.startsWith("decoder.layers.0.self_attn."),
  );
  const adaptive = [...tensors.keys()].some((name) => name.startsWith("decoder.adaptive_softmax."));
  if (!isTransformer || adaptive || tensors.has("decoder.output_projection.weight")) return;
  const separate = tensors.get("decoder.embed_out");
  const source = separate ?? tensors.get("decoder.embed_tokens.weight");
  if (source) tensors.set("decoder.output_projection.weight", source);
  tensors.delete("decoder.embed_out");
}
