// Training under --fp16 on the webgpu device: as good as f32, resumed bit for bit, and overflows skipped.
import { expect, test } from "bun:test";
import { crossEntropy } from "../../src/criterions/cross_entropy.ts";
import { collateLanguagePairs } from "../../src/data/language_pair_batch.ts";
import type { Device } from "../../src/device/device.ts";
import type { Precision } from "../../src/engine/flat_parameters.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { adam } from "../../src/optim/adam.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { seededRandom } from "../support/random.ts";
import { openAs, webgpu } from "../support/webgpu.ts";
import { scriptedRun } from "./scripted_run.ts";

const SYMBOLS = 12;
const EOS = 2;
const scaling = { factor: 2, window: 8, tolerance: 0, threshold: 0 };

function trainerOf(device: Device, precision: Precision, initial = 128, minimum = 1e-4): Trainer {
  const config = transformerConfig.parse({
    ...{ encoder_embed_dim: 16, encoder_ffn_embed_dim: 32, encoder_attention_heads: 2 },
    ...{ decoder_embed_dim: 16, decoder_ffn_embed_dim: 32, decoder_attention_heads: 2 },
    ...{ encoder_layers: 1, decoder_layers: 1, dropout: 0 },
  });
  const symbols = { sourceSymbols: SYMBOLS, targetSymbols: SYMBOLS };
  const model = new TransformerModel(config, { ...symbols, padding: 1, sharedDictionary: true });
  const parameters = bindParameters(model, model.droppableLayers, precision);
  initializeParameters(model, device, 1);
  return new Trainer({
    ...{ device, model, parameters, seed: 1, clipNorm: 1, schedule: () => 0.01 },
    criterion: crossEntropy.build({}, { padding: 1, sentenceAvg: false }),
    optimizer: adam.build(
      { adam_betas: [0.9, 0.98], adam_eps: 1e-8, weight_decay: 0 },
      { parameters },
    ),
    ema: { store_ema: false, ema_decay: 0, ema_start_update: 0, ema_update_freq: 1 },
    lossScaling: precision === "f32" ? undefined : { ...scaling, initial, minimum },
  });
}

/** Sentences to be copied, eight of six tokens: one plan serves them all. */
function batchOf(number: number) {
  const random = seededRandom(number);
  const items = Array.from({ length: 8 }, (_, id) => {
    const tokens = Int32Array.from({ length: 5 }, () => random.int(4, SYMBOLS - 1));
    const sentence = Int32Array.of(...tokens, EOS);
    return { id, source: sentence, target: sentence };
  });
  const batch = collateLanguagePairs(items, { pad: 1, eos: EOS });
  if (!batch) throw new Error("an empty batch");
  return { microBatches: [Int32Array.of(0)], collate: () => batch };
}

/** Updates from one batch to another; the mean loss per token of the last ten. */
async function train(trainer: Trainer, from: number, to: number): Promise<number> {
  const losses: number[] = [];
  for (let number = from; number < to; number++) {
    const { sums, overflow } = await trainer.update(batchOf(number), 1);
    if (!overflow) losses.push(sums.losses.loss / sums.ntokens);
  }
  const last = losses.slice(-10);
  return last.reduce((sum, loss) => sum + loss, 0) / last.length;
}

/** Everything that a checkpoint keeps on the device. */
function variablesOf({ options: { parameters, optimizer } }: Trainer) {
  const states = [...optimizer.state.values()].flatMap(({ segments }) => segments);
  return [...parameters.segments.map(({ values }) => values), ...states];
}

const bitsOf = async (trainer: Trainer) =>
  await Promise.all(variablesOf(trainer).map((variable) => trainer.options.device.read(variable)));

async function resumed(from: Trainer, to: Trainer): Promise<Trainer> {
  const bits = await bitsOf(from);
  for (const [i, variable] of variablesOf(to).entries()) to.options.device.write(variable, bits[i]);
  to.resumeAt(from.updates, {});
  to.scaler?.restore(from.scaler?.state);
  return to;
}

if ("reason" in webgpu) test.skip(`--fp16 (${webgpu.reason})`, () => {});
else {
  const device = webgpu;
  test("training in f16 comes to the loss of f32, and goes on exactly where it stopped", async () => {
    const single = await train(trainerOf(device, "f32"), 0, 200);
    const trainer = trainerOf(device, "mixed");
    const mixed = await train(trainer, 0, 200);
    expect(single).toBeLessThan(0.2);
    expect(Math.abs(mixed - single)).toBeLessThan(0.1);
    const other = await resumed(trainer, trainerOf(device, "mixed"));
    await train(trainer, 200, 205);
    await train(other, 200, 205);
    expect(await bitsOf(other)).toEqual(await bitsOf(trainer));
    expect(other.scaler?.state).toEqual(trainer.scaler?.state);
  });

  test("f16 weights alone, packed in pairs, learn too", async () => {
    const packed = await openAs({ f16: false });
    const trainer = trainerOf(packed, "f16");
    const begun = await train(trainer, 0, 10);
    expect(await train(trainer, 10, 60)).toBeLessThan(begun - 0.5);
    await packed.close();
  });

  test("an update whose gradients overflow is skipped, and the loss scale halves", async () => {
    const trainer = trainerOf(device, "mixed", 2 ** 30);
    const before = await bitsOf(trainer);
    const report = await trainer.update(batchOf(0), 1);
    expect(report).toMatchObject({ overflow: true, lossScale: 2 ** 29 });
    expect(trainer.updates).toBe(0);
    expect(await bitsOf(trainer)).toEqual(before);
  });

  test("updates that were begun before an overflow was heard of are void, and made anew", async () => {
    const train = async (on: Device, runsAhead: boolean) => {
      const trainer = trainerOf(on, "mixed", 2 ** 22);
      expect(trainer.runsAhead).toBe(runsAhead);
      const batch = (number: number) => batchOf(number).collate();
      const { run, counted } = scriptedRun({ real: { trainer, batch }, updates: 13 });
      await run.run(1);
      return { counted, scale: trainer.scaler?.state, bits: await bitsOf(trainer) };
    };
    const waiting: Device = Object.create(device, { hold: { value: undefined }, send: {} });
    const waited = await train(waiting, false);
    expect(waited.counted.some(Number.isNaN)).toBe(true);
    expect(waited.counted.at(-1)).toBe(13);
    expect(await train(device, true)).toEqual(waited);
  });

  test("a loss scale that comes to its minimum ends training", async () => {
    const trainer = trainerOf(device, "mixed", 2 ** 30, 2 ** 29);
    expect(trainer.update(batchOf(0), 1)).rejects.toThrow("minimum loss scale reached");
  });
}
