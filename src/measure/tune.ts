// `weft tune`: measures kernels for the shapes that training a model, and translating with it, will meet, so
// that no run waits.
import type { Device } from "../device/device.ts";
import { WebGpuDevice } from "../device/webgpu/webgpu_device.ts";
import { DeviceStepDecoder } from "../models/device_step_decoder.ts";
import type { Registries } from "../registries.ts";
import type { Trainer } from "../train/trainer.ts";
import { PADDING, type SyntheticSettings, syntheticRun } from "./synthetic_run.ts";

/** Widths whose batches together meet every class of sizes that a corpus does, up to rare lengths. */
const WIDTHS = [8, 16, 32, 64, 128];

/** Source tokens of the sentences that are decoded. The products of a step do not depend on it. */
const SOURCE_WIDTH = 32;

/** What is measured for. */
export interface TunedWork {
  /** Of a training batch. */
  readonly maxTokens: number;
  /** Rows per sentence in decoding; 0 if that is left out. */
  readonly beam: number;
  /** Most sentences that are decoded at once. */
  readonly batchSize: number;
}

/** Lets the device measure whatever the model's programs use. */
export async function tuneModel(
  device: Device,
  registries: Registries,
  settings: SyntheticSettings,
  { maxTokens, beam, batchSize }: TunedWork,
): Promise<void> {
  // Whoever tunes ahead waits for all of it.
  if (device instanceof WebGpuDevice && device.autotuner) {
    device.autotuner.budgetSeconds = Number.POSITIVE_INFINITY;
  }
  const { trainer } = syntheticRun(device, registries, settings);
  planTraining(trainer, maxTokens);
  await device.tune?.();
  trainer.release();
  if (beam === 0) return;
  const { model } = trainer.options;
  const options = { vocabulary: settings.vocabulary, padding: PADDING };
  const decoder = new DeviceStepDecoder(device, model, options);
  for (const sentences of sentencesOf(beam, batchSize)) await decode(decoder, sentences, beam);
  await device.tune?.();
  decoder.close();
}

/** Plans training and validation for batches of several widths. */
function planTraining(trainer: Trainer, maxTokens: number): void {
  // Batches are at most half full at the end of an epoch, and full else: sizes of two classes.
  for (const width of WIDTHS) {
    for (const tokens of [maxTokens, maxTokens / 2]) {
      const sentences = Math.max(1, Math.floor(tokens / width));
      trainer.plan([sentences, width, width]);
      trainer.planValidation([sentences, width, width]);
    }
  }
}

/** Numbers of sentences whose rows meet every class of sizes: a batch shrinks as its sentences finish. */
export function sentencesOf(beam: number, batchSize: number): number[] {
  const numbers = new Set([1, batchSize]);
  for (let rows = 2; rows < batchSize * beam; rows *= 2) {
    if (rows >= beam) numbers.add(Math.floor(rows / beam));
  }
  return [...numbers].sort((a, b) => a - b);
}

/** Two steps: in the first one row stands for all of a sentence. */
async function decode(decoder: DeviceStepDecoder, sentences: number, beam: number): Promise<void> {
  const source = new Int32Array(sentences * SOURCE_WIDTH).fill(PADDING + 1);
  const batch = { tokens: source, sentences, width: SOURCE_WIDTH };
  const start = { beam, temperature: 1, attention: false, maxLength: SOURCE_WIDTH };
  const state = await decoder.start(batch, start);
  const rows = sentences * beam;
  const rules = {
    ...{ banned: [], only: undefined, penalised: 0, penalty: 0 },
    ...{ forced: undefined, rowBans: undefined },
  };
  for (const step of [0, 1]) {
    const reorder = step === 0 ? undefined : Int32Array.from({ length: rows }, (_, row) => row);
    const tokens = new Int32Array(rows).fill(PADDING + 1);
    const input = { step, rows, tokens, reorder, keptSentences: undefined };
    await state.candidates?.(input, { count: 2 * beam, scores: new Float32Array(rows), rules });
  }
}
