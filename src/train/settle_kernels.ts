import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import { hostSample } from "./host_sample.ts";
import type { Trainer } from "./trainer.ts";

/** Before a batch of a new shape is run first, a device may measure which kernels suit it. */
export async function settleKernels(
  trainer: Pick<Trainer, "options" | "plan">,
  batch: LanguagePairBatch,
): Promise<void> {
  const { tune } = trainer.options.device;
  if (!tune) return;
  const { srcTokens, target } = hostSample(batch);
  trainer.plan([srcTokens.shape[0], srcTokens.shape[1], target.shape[1]]);
  await tune();
}
