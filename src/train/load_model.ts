// A finished model out of a checkpoint, wherever it was trained: for generate, validate, export.
import { resolve } from "node:path";
import type { ModelComponent } from "../components.ts";
import type { ComponentRecord, ConfigRecord } from "../config/record.ts";
import { UserError } from "../config/user_error.ts";
import type { Device } from "../device/device.ts";
import { transformerHyperparameters } from "../interop/fairseq_settings.ts";
import { refuseWrongSizes } from "../interop/model_sizes.ts";
import { loadParameters } from "../models/load_parameters.ts";
import { bindParameters, type EncoderDecoderModel, type ModelContext } from "../models/model.ts";
import { decoderSide, encoderSide, type TransformerConfig } from "../models/transformer/config.ts";
import type { Registries } from "../registries.ts";
import { type LoadedTensor, type LoadedWeights, loadWeights } from "./checkpoint_weights.ts";
import { withKeptLayers } from "./kept_layers.ts";

/** What a checkpoint says about how its model is built. */
export interface StoredArchitecture {
  /** Name of the model component, and its configuration. */
  readonly component: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Languages and other settings of the task, as far as the checkpoint has them. */
  readonly task: Readonly<Record<string, unknown>>;
  /** Texts of the dictionaries by language; none in a file of fairseq's. */
  readonly dictionaries: Readonly<Record<string, string>> | undefined;
}

/** A checkpoint that was read, and not built yet. */
export interface StoredModel {
  readonly path: string;
  readonly weights: LoadedWeights;
  readonly architecture: StoredArchitecture;
}

/**
 * Reads a checkpoint's weights and architecture.
 *
 * @param ema take the averaged weights.
 * @throws UserError if the file is no checkpoint, or has weights alone.
 */
export function readModel(path: string, ema = false): StoredModel {
  const weights = loadWeights(resolve(path), { ema });
  const architecture = architectureOf(weights, path);
  if (architecture) return { path, weights, architecture };
  throw new UserError({
    place: path,
    problem: "holds weights alone, not how the model is built",
    remedy: "give a checkpoint of weft train or fairseq-train",
  });
}

function architectureOf(
  { record, fairseq, withoutFinalNorm, tensors }: LoadedWeights,
  path: string,
): StoredArchitecture | undefined {
  if (record) {
    const { sections } = record.config as unknown as ConfigRecord;
    const model = sections.model as ComponentRecord;
    const task = sections.task as ComponentRecord;
    const { dictionaries } = record;
    return { component: model.component, config: model.config, task: task.config, dictionaries };
  }
  if (!fairseq?.settings) return undefined;
  const { settings } = fairseq;
  refuseOtherFamilies(tensors, settings.arch, path);
  const config: Record<string, unknown> = { ...transformerHyperparameters(settings) };
  // fairseq keeps --decoder-output-dim and its like as the text that was typed.
  for (const [key, value] of Object.entries(config)) {
    if (key.endsWith("_dim") && typeof value === "string") config[key] = Number(value);
  }
  if (config.decoder_normalize_before && withoutFinalNorm.includes("decoder")) {
    config.no_decoder_final_norm = true;
  }
  const { source_lang, target_lang, left_pad_source, left_pad_target } = settings.flags;
  const task = { source_lang, target_lang, left_pad_source, left_pad_target };
  // fairseq's names of the aligning Transformer: transformer_align, transformer_wmt_en_de_big_align.
  const component = settings.arch.endsWith("_align") ? "transformer_align" : "transformer";
  return { component, config, task, dictionaries: undefined };
}

/** Models whose settings are a Transformer's; a plug-in's may mean something else by the same names. */
const OF_WEFT: ReadonlySet<string> = new Set(["transformer", "transformer_align"]);

/** Parameters that every encoder-decoder Transformer has; names of architectures are anybody's. */
const OF_A_TRANSFORMER = [
  "encoder.layers.0.self_attn.k_proj.weight",
  "decoder.layers.0.self_attn.k_proj.weight",
  "decoder.layers.0.encoder_attn.k_proj.weight",
];

function refuseOtherFamilies(
  tensors: ReadonlyMap<string, unknown>,
  arch: string,
  path: string,
): void {
  if (OF_A_TRANSFORMER.every((name) => tensors.has(name))) return;
  throw new UserError({
    place: path,
    problem: `its model (${arch}) is no encoder-decoder Transformer`,
    remedy: "give one: weft has no other family of models yet",
  });
}

/** A checkpoint's model: its component, settings that were checked, and weights that fit them. */
export interface ResolvedModel {
  readonly component: ModelComponent;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, LoadedTensor>;
}

/**
 * Checks what a checkpoint says about its model.
 *
 * @param overrides settings that replace stored ones (--model-overrides).
 * @throws UserError for a setting that will not do, or weights of another size.
 */
export function resolveStoredModel(
  { path, architecture, weights }: StoredModel,
  registries: Registries,
  padding: number,
  overrides: Readonly<Record<string, unknown>> = {},
): ResolvedModel {
  const component = registries.models.get(architecture.component);
  const settings = { ...architecture.config, ...overrides };
  const parsed = component.config.safeParse(onlyKnown(settings, component.config.shape, path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError({
      place: `${path}: ${issue.path.join(".")}`,
      problem: issue.message,
      remedy: "correct it with --model-overrides",
    });
  }
  const origin = { place: path, settings: architecture.config };
  const tensors = withKeptLayers(weights.tensors, parsed.data, origin);
  if (OF_WEFT.has(component.name)) {
    const config = parsed.data as TransformerConfig;
    refuseWrongSizes("encoder", encoderSide(config), tensors, padding, path);
    refuseWrongSizes("decoder", decoderSide(config), tensors, padding, path);
  }
  return { component, config: parsed.data, tensors };
}

/** Builds the model on the device and fills in its weights; see `resolveStoredModel`. */
export function buildStoredModel(
  stored: StoredModel,
  registries: Registries,
  context: ModelContext,
  device: Device,
  overrides: Readonly<Record<string, unknown>> = {},
): EncoderDecoderModel {
  const resolved = resolveStoredModel(stored, registries, context.padding, overrides);
  const model = resolved.component.build(resolved.config, context);
  bindParameters(model);
  loadParameters(model, device, resolved.tensors, stored.path);
  return model;
}

/**
 * The settings that the model has. A setting that it has not, but that is switched on, means another
 * computation than weft's.
 */
function onlyKnown(
  settings: Readonly<Record<string, unknown>>,
  shape: Readonly<Record<string, unknown>>,
  place: string,
): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    if (key in shape) known[key] = value;
    else if (NEEDED.has(key) && value) {
      throw new UserError({
        place,
        problem: `its model was built with ${key}: ${JSON.stringify(value)}, which weft does not compute`,
        remedy: "use a Transformer without it",
      });
    }
  }
  return known;
}

/** Settings of fairseq's Transformer that change what it computes, and that weft lacks. */
const NEEDED: ReadonlySet<string> = new Set([
  "no_cross_attention",
  "cross_self_attention",
  "adaptive_softmax_cutoff",
]);
