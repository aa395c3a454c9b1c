// weft's side of bench/javascript_peers.ts: the step that all do, its weights, its batch.
import { ema } from "../../src/config/schemas/ema.ts";
import type { LanguagePairBatch } from "../../src/data/language_pair_batch.ts";
import type { Device } from "../../src/device/device.ts";
import {
  bindParameters,
  type EncoderDecoderModel,
  initializeParameters,
} from "../../src/models/model.ts";
import { HostRandom } from "../../src/nn/host_random.ts";
import { createRegistries } from "../../src/registries.ts";
import { Trainer } from "../../src/train/trainer.ts";

export const PADDING = 1;
const EOS = 2;
const FIRST_WORD = 4;
const SEED = 1;

/** The step: sizes, loss and Adam. No dropout, so that losses can be compared. */
export interface StepSizes {
  /** Sentences, longest source, longest target. */
  readonly B: number;
  readonly S: number;
  readonly T: number;
  /** Width, inner width, vocabulary, heads, layers of each side. */
  readonly C: number;
  readonly H: number;
  readonly V: number;
  readonly heads: number;
  readonly layers: number;
}

export const smoothing = 0.1;
export const lr = 5e-4;
export const betas = [0.9, 0.98] as const;
export const epsilon = 1e-8;

export interface WeftStep {
  readonly model: EncoderDecoderModel;
  readonly batch: LanguagePairBatch;
  /** One update. @returns the loss per token that it began with, in nats. */
  update(): Promise<number>;
}

export function weftStep(device: Device, sizes: StepSizes): WeftStep {
  const { C, H, V, heads, layers } = sizes;
  const registries = createRegistries();
  const { component } = registries.models.choose("transformer");
  const config = {
    ...{ encoder_embed_dim: C, encoder_ffn_embed_dim: H, share_all_embeddings: true, dropout: 0 },
    ...{ encoder_layers: layers, encoder_attention_heads: heads },
    ...{ decoder_layers: layers, decoder_attention_heads: heads },
  };
  const model = component.build(component.config.parse(config), {
    ...{ sourceSymbols: V, targetSymbols: V, padding: PADDING, sharedDictionary: true },
  });
  const parameters = bindParameters(model);
  const loss = registries.criterions.choose("label_smoothed_cross_entropy").component;
  const adam = registries.optimizers.choose("adam").component;
  const trainer = new Trainer({
    ...{ device, model, parameters, clipNorm: 0, seed: SEED, ema: ema.parse({}) },
    criterion: loss.build(loss.config.parse({ label_smoothing: smoothing }), {
      padding: PADDING,
      sentenceAvg: false,
    }),
    optimizer: adam.build(adam.config.parse({ adam_betas: betas, adam_eps: epsilon }), {
      parameters,
    }),
    schedule: () => lr,
  });
  initializeParameters(model, device, SEED);
  const batch = randomBatch(sizes);
  return {
    model,
    batch,
    async update() {
      const one = { microBatches: [batch.ids], collate: () => batch };
      const { sums } = await trainer.update(one, 1);
      return sums.losses.loss / sums.sampleSize;
    },
  };
}

/** Sentences of three quarters of the longest up to the longest, padded on the right. */
function randomBatch({ B, S, T, V }: StepSizes): LanguagePairBatch {
  const random = HostRandom.named(SEED, "batch");
  const whole = (low: number, high: number) =>
    low + Math.floor(random.uniform() * (high - low + 1));
  const sentences = (width: number): number[][] =>
    Array.from({ length: B }, (_, row) => {
      const length = row === 0 ? width : whole(Math.ceil(0.75 * width), width);
      const words = Array.from({ length: length - 1 }, () => whole(FIRST_WORD, V - 1));
      return [...words, EOS];
    });
  const matrix = (rows: readonly number[][], width: number) => {
    const data = new Int32Array(B * width).fill(PADDING);
    for (const [row, tokens] of rows.entries()) data.set(tokens, row * width);
    const shape: [number, number] = [B, width];
    return { data, shape };
  };
  const [source, target] = [sentences(S), sentences(T)];
  return {
    ids: Int32Array.from({ length: B }, (_, i) => i),
    nsentences: B,
    pad: PADDING,
    ntokens: target.reduce((sum, { length }) => sum + length, 0),
    srcTokens: matrix(source, S),
    srcLengths: Int32Array.from(source, ({ length }) => length),
    prevOutputTokens: matrix(
      target.map((tokens) => [EOS, ...tokens.slice(0, -1)]),
      T,
    ),
    target: matrix(target, T),
  };
}
