// The configuration inside a fairseq checkpoint: `cfg` (nested, since 0.10.1) or `args` (flat).
import { fieldsOf, type Plain, plainObject } from "./plain_values.ts";
import type { PickleDict, PickleValue } from "./torch_checkpoint/pickle_values.ts";

/** Flag values under fairseq's names (snake_case), with the components that were chosen. */
export interface FairseqSettings {
  /** Named architecture, e.g. "transformer_iwslt_de_en". */
  readonly arch: string;
  readonly task: string;
  readonly criterion: string;
  readonly optimizer: string;
  readonly lr_scheduler: string;
  /** Hyperparameters of the model; may hold those of other components too, as fairseq stored them. */
  readonly model: { readonly [key: string]: Plain };
  /** All flags of all components. Those of the component itself win over copies elsewhere. */
  readonly flags: { readonly [key: string]: Plain };
}

const COMPONENTS = ["task", "criterion", "optimizer", "lr_scheduler"] as const;

/** The settings of a checkpoint, or undefined if it has neither `cfg` nor `args`. */
export function fairseqSettings(state: PickleDict): FairseqSettings | undefined {
  const cfg = state.get("cfg");
  if (cfg) return fromConfig(fieldsOf(cfg));
  const args = state.get("args");
  return args ? fromArguments(args) : undefined;
}

function fromConfig(cfg: PickleDict): FairseqSettings {
  const model = plainObject(cfg.get("model"));
  const flags: { [key: string]: Plain } = { ...model };
  for (const section of cfg.values()) Object.assign(flags, plainObject(section));
  for (const component of COMPONENTS) Object.assign(flags, plainObject(cfg.get(component)));
  delete flags._name;
  const chosen = (component: string) =>
    text(plainObject(cfg.get(component))._name) || text(model[component]);
  return {
    arch: text(model.arch) || text(model._name),
    task: chosen("task"),
    criterion: chosen("criterion"),
    optimizer: chosen("optimizer"),
    lr_scheduler: chosen("lr_scheduler"),
    model,
    flags,
  };
}

/** Flags whose name or form changed before there was a `cfg` are brought up to date. */
function fromArguments(args: PickleValue): FairseqSettings {
  const flags = plainObject(args);
  if ("max_positions" in flags) {
    flags.max_source_positions ??= flags.max_positions ?? null;
    flags.max_target_positions ??= flags.max_positions ?? null;
    delete flags.max_positions;
  }
  rename(flags, "min_lr", "stop_min_lr");
  rename(flags, "remove_bpe", "post_process");
  if (flags.raw_text === true) flags.dataset_impl = "raw";
  else if (flags.lazy_load === true) flags.dataset_impl = "lazy";
  if (typeof flags.lr === "number") flags.lr = [flags.lr];
  if (typeof flags.update_freq === "number") flags.update_freq = [flags.update_freq];
  if (Array.isArray(flags.data)) flags.data = flags.data.join(":");
  flags.task ??= "translation";
  return {
    arch: text(flags.arch),
    task: text(flags.task),
    criterion: text(flags.criterion),
    optimizer: text(flags.optimizer),
    lr_scheduler: text(flags.lr_scheduler),
    model: flags,
    flags,
  };
}

function rename(flags: { [key: string]: Plain }, old: string, current: string): void {
  if (flags[old] === undefined) return;
  flags[current] = flags[old];
  delete flags[old];
}

const text = (value: Plain | undefined): string => (typeof value === "string" ? value : "");

// fairseq's flags of the Transformer (and its alignment variant), under which weft knows them too.
const BOTH_SIDES = [
  "embed_dim",
  "ffn_embed_dim",
  "layers",
  "attention_heads",
  "normalize_before",
  "learned_pos",
  "layerdrop",
  "layers_to_keep",
];
const TRANSFORMER = [
  ...BOTH_SIDES.flatMap((name) => [`encoder_${name}`, `decoder_${name}`]),
  "decoder_input_dim",
  "decoder_output_dim",
  "activation_fn",
  "dropout",
  "attention_dropout",
  "activation_dropout",
  "share_all_embeddings",
  "share_decoder_input_output_embed",
  "no_token_positional_embeddings",
  "layernorm_embedding",
  "no_scale_embedding",
  "no_decoder_final_norm",
  "no_cross_attention",
  "cross_self_attention",
  "adaptive_softmax_cutoff",
  "adaptive_softmax_dropout",
  "adaptive_softmax_factor",
  "tie_adaptive_weights",
  "tie_adaptive_proj",
  "max_source_positions",
  "max_target_positions",
  "alignment_heads",
  "alignment_layer",
  "full_context_alignment",
];

/** Configurations of fairseq-hydra-train nest a side's values: `encoder: { embed_dim }`. */
function nested(model: { readonly [key: string]: Plain }, name: string): Plain | undefined {
  const [, side = "", inner = ""] = /^(encoder|decoder)_(.*)$/.exec(name) ?? [];
  const values = model[side];
  return typeof values === "object" && values !== null && !Array.isArray(values)
    ? values[inner]
    : undefined;
}

/** The hyperparameters that make a Transformer, out of a checkpoint's settings; unset ones absent. */
export function transformerHyperparameters(settings: FairseqSettings): { [key: string]: Plain } {
  const { flags, model } = settings;
  const chosen: { [key: string]: Plain } = {};
  for (const name of TRANSFORMER) {
    const value = model[name] ?? nested(model, name) ?? flags[name];
    if (value !== undefined && value !== null) chosen[name] = value;
  }
  // `relu_dropout` was the name of `activation_dropout`.
  if (!chosen.activation_dropout && typeof model.relu_dropout === "number") {
    chosen.activation_dropout = model.relu_dropout;
  }
  return chosen;
}
