// `weft tune`: measures kernels for the shapes that training a model will meet, so that no run waits.
import type { Device } from "../device/device.ts";
import { WebGpuDevice } from "../device/webgpu/webgpu_device.ts";
import type { Registries } from "../registries.ts";
import { type SyntheticSettings, syntheticRun } from "./synthetic_run.ts";

/** Widths whose batches together meet every class of sizes that a corpus does, up to rare lengths. */
const WIDTHS = [8, 16, 32, 64, 128];

/**
 * Plans training and validation for batches of several widths and lets the device measure what they use.
 *
 * @param maxTokens of a batch, as training will be given.
 */
export async function tuneTraining(
  device: Device,
  registries: Registries,
  settings: SyntheticSettings,
  maxTokens: number,
): Promise<void> {
  // Whoever tunes ahead waits for all of it.
  if (device instanceof WebGpuDevice && device.autotuner) {
    device.autotuner.budgetSeconds = Number.POSITIVE_INFINITY;
  }
  const { trainer } = syntheticRun(device, registries, settings);
  // Batches are at most half full at the end of an epoch, and full else: sizes of two classes.
  for (const width of WIDTHS) {
    for (const tokens of [maxTokens, maxTokens / 2]) {
      const sentences = Math.max(1, Math.floor(tokens / width));
      trainer.plan([sentences, width, width]);
      trainer.planValidation([sentences, width, width]);
    }
  }
  await device.tune?.();
  trainer.release();
}
