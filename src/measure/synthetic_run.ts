// A training run without data: a named architecture, and batches of random tokens of any shape.

import { ema } from "../config/schemas/ema.ts";
import { precision as precisionSchema } from "../config/schemas/precision.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Device } from "../device/device.ts";
import { bindParameters, initializeParameters } from "../models/model.ts";
import { HostRandom } from "../nn/host_random.ts";
import type { Registries } from "../registries.ts";
import { lossScaling, precisionOf } from "../train/loss_scaler.ts";
import { Trainer } from "../train/trainer.ts";
import type { StartedUpdate } from "../train/update_report.ts";

/** As in every dictionary of weft's. */
export const PADDING = 1;
const EOS = 2;
const FIRST_WORD = 4;

export interface SyntheticSettings {
  readonly architecture: string;
  /** Words of the dictionary that both languages share. */
  readonly vocabulary: number;
  readonly fp16: boolean;
}

export interface SyntheticRun {
  readonly trainer: Trainer;
  readonly parameters: number;
  /**
   * One update on random sentences, all of this width. As in training it is perhaps only begun, and the one
   * before it waited for. @returns target tokens.
   */
  update(sentences: number, width: number): Promise<number>;
  /** Waits for the update that is under way. */
  settle(): Promise<void>;
}

const SEED = 1;

/** Builds model, label-smoothed loss and Adam with their defaults. */
export function syntheticRun(
  device: Device,
  registries: Registries,
  { architecture, vocabulary, fp16 }: SyntheticSettings,
): SyntheticRun {
  const { component, preset } = registries.models.choose(architecture);
  const model = component.build(component.config.parse({ ...preset, share_all_embeddings: true }), {
    ...{ sourceSymbols: vocabulary, targetSymbols: vocabulary, padding: PADDING },
    sharedDictionary: true,
  });
  const precision = precisionSchema.parse({ fp16 });
  const parameters = bindParameters(model, model.droppableLayers, precisionOf(precision));
  const loss = registries.criterions.choose("label_smoothed_cross_entropy").component;
  const adam = registries.optimizers.choose("adam").component;
  const trainer = new Trainer({
    ...{ device, model, parameters },
    criterion: loss.build(loss.config.parse({ label_smoothing: 0.1 }), {
      padding: PADDING,
      sentenceAvg: false,
    }),
    optimizer: adam.build(adam.config.parse({}), { parameters }),
    // So small that no number overflows, however long it goes on.
    schedule: () => 1e-7,
    clipNorm: 0,
    seed: SEED,
    ema: ema.parse({}),
    lossScaling: fp16 ? lossScaling(precision, { update_freq: [1] }, 1) : undefined,
  });
  initializeParameters(model, device, SEED);
  let underWay: StartedUpdate | undefined;
  const settle = async (): Promise<void> => {
    await underWay?.report();
    underWay = undefined;
  };
  return {
    trainer,
    parameters: parameters.size,
    async update(sentences, width) {
      const batch = randomBatch(sentences, width, vocabulary);
      const one = { microBatches: [batch.ids], collate: () => batch };
      const started = await trainer.start(one, 1);
      const before = await underWay?.report();
      underWay = before?.overflow ? undefined : started;
      if (!trainer.runsAhead) await settle();
      return batch.ntokens;
    },
    settle,
  };
}

function randomBatch(sentences: number, width: number, vocabulary: number): LanguagePairBatch {
  const random = HostRandom.named(SEED, `batch ${sentences} ${width}`);
  const tokens = () => {
    const data = Int32Array.from({ length: sentences * width }, (_, i) =>
      i % width === width - 1
        ? EOS
        : FIRST_WORD + Math.floor(random.uniform() * (vocabulary - FIRST_WORD)),
    );
    const shape: [number, number] = [sentences, width];
    return { data, shape };
  };
  return {
    ids: Int32Array.from({ length: sentences }, (_, i) => i),
    nsentences: sentences,
    pad: PADDING,
    ntokens: sentences * width,
    srcTokens: tokens(),
    srcLengths: new Int32Array(sentences).fill(width),
    prevOutputTokens: tokens(),
    target: tokens(),
  };
}
