// Tokens per second of training steps on random sentences.
import type { Device } from "../device/device.ts";
import type { Registries } from "../registries.ts";
import { type SyntheticSettings, syntheticRun } from "./synthetic_run.ts";

export interface TrainingSpeed extends SyntheticSettings {
  readonly parameters: number;
  readonly sentences: number;
  readonly width: number;
  readonly tokensPerSecond: number;
  readonly millisecondsPerUpdate: number;
  /** From nothing to the first update: plans, kernels to compile and to choose. */
  readonly secondsToFirstUpdate: number;
  readonly variableBytes: number;
  readonly temporaryBytes: number;
}

const UPDATES = 7;
/** Updates after the first whose kernels may still have to be chosen. */
const WARM = 1;

/** @param maxTokens padded target tokens of a batch. */
export async function trainingSpeed(
  device: Device,
  registries: Registries,
  settings: SyntheticSettings,
  maxTokens: number,
  width: number,
): Promise<TrainingSpeed> {
  const run = syntheticRun(device, registries, settings);
  const sentences = Math.max(1, Math.floor(maxTokens / width));
  const times: number[] = [];
  let tokens = 0;
  for (let update = 0; update < 1 + WARM + UPDATES; update++) {
    const begun = performance.now();
    tokens = await run.update(sentences, width);
    if (update === 0) await run.settle();
    times.push(performance.now() - begun);
  }
  await run.settle();
  const [first, ...later] = times;
  const steady = later.slice(WARM).sort((a, b) => a - b);
  const milliseconds = steady[steady.length >> 1];
  const { variables, temporaries } = device.memory();
  run.trainer.release();
  return {
    ...settings,
    parameters: run.parameters,
    sentences,
    width,
    tokensPerSecond: (tokens / milliseconds) * 1000,
    millisecondsPerUpdate: milliseconds,
    secondsToFirstUpdate: first / 1000,
    variableBytes: variables,
    temporaryBytes: temporaries,
  };
}
