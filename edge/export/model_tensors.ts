// A checkpoint's parameters as the edge wants them: matrices that are read together lie together.
import { UserError } from "../../src/config/user_error.ts";
import {
  decoderSide,
  encoderSide,
  type SideConfig,
  type TransformerConfig,
} from "../../src/models/transformer/config.ts";
import type { LoadedTensor } from "../../src/train/checkpoint_weights.ts";
import type { Architecture, SideArchitecture } from "../runtime/manifest.ts";

/** A tensor of a bundle before it is quantised. Tied tensors share their `data`. */
export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Whether products are made with it; only these are quantised. */
  readonly isMatrix: boolean;
}

/** What the runtime must know about the model. */
export function architectureOf(config: TransformerConfig): Architecture {
  const decoder = decoderSide(config);
  const { activation_fn: named } = config;
  return {
    model: "transformer",
    activation_fn: named === "gelu_fast" ? "gelu_accurate" : named,
    encoder: side(config, encoderSide(config)),
    decoder: {
      ...side(config, decoder),
      input_dim: config.decoder_input_dim ?? decoder.embedDim,
      output_dim: config.decoder_output_dim ?? decoder.embedDim,
      final_norm: decoder.normalizeBefore && !config.no_decoder_final_norm,
    },
  };
}

function side(config: TransformerConfig, of: SideConfig): SideArchitecture {
  const positions = of.learnedPositions ? "learned" : "sinusoidal";
  return {
    embed_dim: of.embedDim,
    ffn_embed_dim: of.ffnEmbedDim,
    layers: of.layers,
    attention_heads: of.heads,
    normalize_before: of.normalizeBefore,
    positions: config.no_token_positional_embeddings ? "none" : positions,
    max_positions: of.maxPositions,
    layernorm_embedding: config.layernorm_embedding,
    embed_scale: config.no_scale_embedding ? 1 : Math.sqrt(of.embedDim),
  };
}

/** @throws UserError if a parameter is missing. */
export function modelTensors(
  config: TransformerConfig,
  tensors: ReadonlyMap<string, LoadedTensor>,
  place: string,
): ModelTensor[] {
  return new TensorList(config, tensors, place).all();
}

class TensorList {
  private readonly list: ModelTensor[] = [];

  constructor(
    private readonly config: TransformerConfig,
    private readonly tensors: ReadonlyMap<string, LoadedTensor>,
    private readonly place: string,
  ) {}

  all(): ModelTensor[] {
    const { config } = this;
    const { encoder, decoder } = architectureOf(config);
    this.embeddings();
    for (const [name, of] of Object.entries({ encoder, decoder })) {
      if (of.positions === "learned") this.vector(`${name}.embed_positions.weight`);
      if (of.layernorm_embedding) this.norm(`${name}.layernorm_embedding`);
    }
    for (let n = 0; n < encoder.layers; n++) this.layer(`encoder.layers.${n}`);
    if (encoder.normalize_before) this.norm("encoder.layer_norm");
    for (let n = 0; n < decoder.layers; n++) {
      this.layer(`decoder.layers.${n}`);
      this.linear(`decoder.layers.${n}.encoder_attn.q_proj`);
      this.linear(`decoder.layers.${n}.encoder_attn.out_proj`);
      this.norm(`decoder.layers.${n}.encoder_attn_layer_norm`);
    }
    const crossed = Array.from({ length: decoder.layers }, (_, n) =>
      ["k_proj", "v_proj"].map((p) => `decoder.layers.${n}.encoder_attn.${p}`),
    );
    this.stacked("decoder.encoder_attn.kv_proj", crossed.flat());
    if (decoder.final_norm) this.norm("decoder.layer_norm");
    if (decoder.input_dim !== decoder.embed_dim) this.matrix("decoder.project_in_dim.weight");
    if (decoder.output_dim !== decoder.embed_dim) this.matrix("decoder.project_out_dim.weight");
    return this.list;
  }

  /** Three names, of which the configuration may tie two or all. */
  private embeddings(): void {
    const { share_all_embeddings, share_decoder_input_output_embed } = this.config;
    const names = ["encoder.embed_tokens", "decoder.embed_tokens", "decoder.output_projection"];
    const [source, target, output] = names.map((name) => `${name}.weight`);
    const tied = share_all_embeddings
      ? [[source, target, output]]
      : share_decoder_input_output_embed
        ? [[source], [target, output]]
        : [[source], [target], [output]];
    for (const group of tied) {
      const first = group.find((name) => this.tensors.has(name)) ?? group[0];
      const { shape, data } = this.get(first);
      for (const name of group) this.list.push({ name, shape, data, isMatrix: true });
    }
  }

  private layer(name: string): void {
    const attention = `${name}.self_attn`;
    const parts = ["q_proj", "k_proj", "v_proj"].map((part) => `${attention}.${part}`);
    this.stacked(`${attention}.in_proj`, parts);
    this.linear(`${attention}.out_proj`);
    this.norm(`${name}.self_attn_layer_norm`);
    this.linear(`${name}.fc1`);
    this.linear(`${name}.fc2`);
    this.norm(`${name}.final_layer_norm`);
  }

  /** Several layers that read the same input, as one. */
  private stacked(name: string, parts: readonly string[]): void {
    if (parts.length === 0) return;
    for (const kind of ["weight", "bias"]) {
      const found = parts.map((part) => this.get(`${part}.${kind}`));
      const [[, ...inner]] = found.map(({ shape }) => shape);
      const rows = found.reduce((sum, { shape }) => sum + shape[0], 0);
      const data = new Float32Array(found.reduce((sum, part) => sum + part.data.length, 0));
      let at = 0;
      for (const part of found) {
        data.set(part.data, at);
        at += part.data.length;
      }
      const shape = [rows, ...inner];
      this.list.push({ name: `${name}.${kind}`, shape, data, isMatrix: kind === "weight" });
    }
  }

  private linear(name: string): void {
    this.matrix(`${name}.weight`);
    this.vector(`${name}.bias`);
  }

  private norm(name: string): void {
    this.vector(`${name}.weight`);
    this.vector(`${name}.bias`);
  }

  private matrix(name: string): void {
    this.list.push({ name, ...this.get(name), isMatrix: true });
  }

  private vector(name: string): void {
    this.list.push({ name, ...this.get(name), isMatrix: false });
  }

  private refuseNotFinite(name: string, data: Float32Array): void {
    const at = data.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return;
    throw new UserError({
      place: this.place,
      problem: `element ${at} of ${name} is ${data[at]}`,
      remedy: "export a checkpoint from before the training diverged",
    });
  }

  private get(name: string): { shape: readonly number[]; data: Float32Array } {
    const tensor = this.tensors.get(name);
    if (tensor) {
      this.refuseNotFinite(name, tensor.data);
      return { shape: tensor.shape, data: tensor.data };
    }
    throw new UserError({
      place: this.place,
      problem: `has no parameter ${name}`,
      remedy: "give a checkpoint of a whole Transformer",
    });
  }
}
