import type { LanguagePairBatch } from "../data/language_pair_batch.ts";
import type { Trainer } from "./trainer.ts";

/** Before a batch of a new shape is run first, a device may measure which kernels suit it. */
export async function settleKernels(
  trainer: Pick<Trainer, "options" | "prepare">,
  batch: LanguagePairBatch,
): Promise<void> {
  const { tune } = trainer.options.device;
  if (!tune) return;
  trainer.prepare(batch);
  await tune();
}
