// A small Transformer in training on random sentences of ever other lengths: what tests and bench/soak.ts
// let run for long.
import { labelSmoothedCrossEntropy } from "../../src/criterions/label_smoothed_cross_entropy.ts";
import { collateLanguagePairs, type LanguagePairItem } from "../../src/data/language_pair_batch.ts";
import type { Device } from "../../src/device/device.ts";
import { fixed } from "../../src/lr_scheduler/fixed.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { adam } from "../../src/optim/adam.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { GlobalBatch } from "../../src/train/update_plan.ts";
import { seededRandom } from "./random.ts";

const SYMBOLS = 100;
const special = { pad: 1, eos: 2 };

/** 1 + 1 layers of width 32, initialised from one seed. */
export function toyTrainer(device: Device, dropout = 0.1): Trainer {
  const sizes = {
    ...{ encoder_embed_dim: 32, encoder_ffn_embed_dim: 64, encoder_layers: 1 },
    ...{ decoder_layers: 1, encoder_attention_heads: 2, decoder_attention_heads: 2 },
  };
  const config = transformerConfig.parse({ ...sizes, dropout });
  const model = new TransformerModel(config, {
    sourceSymbols: SYMBOLS,
    targetSymbols: SYMBOLS,
    padding: special.pad,
    sharedDictionary: false,
  });
  const parameters = bindParameters(model);
  const criterion = labelSmoothedCrossEntropy.config.parse({ label_smoothing: 0.1 });
  const optimizer = adam.build(adam.config.parse({}), { parameters });
  initializeParameters(model, device, 1);
  return new Trainer({
    ...{ device, model, parameters, optimizer, clipNorm: 1, seed: 1 },
    criterion: labelSmoothedCrossEntropy.build(criterion, {
      padding: special.pad,
      sentenceAvg: false,
    }),
    schedule: fixed.build(fixed.config.parse({}), [1e-3]),
    ema: { store_ema: false, ema_decay: 0, ema_start_update: 0, ema_update_freq: 1 },
  });
}

/** A batch that depends on its number alone: 1 to `rows` sentences of up to `width` tokens. */
export function toyBatch(number: number, rows: number, width: number): GlobalBatch {
  const random = seededRandom(number);
  const longest = { source: random.int(2, width), target: random.int(2, width) };
  const sentence = (length: number): Int32Array =>
    Int32Array.from({ length }, (_, i) =>
      i === length - 1 ? special.eos : random.int(4, SYMBOLS - 1),
    );
  const items = Array.from(
    { length: random.int(1, rows) },
    (_, id): LanguagePairItem => ({
      id,
      source: sentence(id === 0 ? longest.source : random.int(1, longest.source)),
      target: sentence(id === 0 ? longest.target : random.int(1, longest.target)),
    }),
  );
  const batch = collateLanguagePairs(items, special);
  if (!batch) throw new Error("toyBatch: no sentences");
  return { microBatches: [batch.ids], collate: () => batch };
}

/** A device as it is, whose programs are counted. */
export function countPrograms<D extends Device>(device: D): { device: D; alive(): number } {
  let alive = 0;
  const counted: D = Object.create(device, {
    prepare: {
      value: (...given: Parameters<Device["prepare"]>) => {
        const prepared = device.prepare(...given);
        const release = prepared.release.bind(prepared);
        alive++;
        prepared.release = () => {
          alive--;
          release();
        };
        return prepared;
      },
    },
  });
  return { device: counted, alive: () => alive };
}
