// What a criterion sums up over batches.
import type { Criterion, CriterionSums } from "../criterions/criterion.ts";
import type { LanguagePairBatch } from "../data/language_pair_batch.ts";

export const emptySums = (): CriterionSums => ({
  ntokens: 0,
  nsentences: 0,
  sampleSize: 0,
  losses: {},
});

/** Adds what two groups of batches summed up to. */
export function addSums(a: CriterionSums, b: CriterionSums): CriterionSums {
  const losses: Record<string, number> = { ...a.losses };
  for (const [name, value] of Object.entries(b.losses)) losses[name] = (losses[name] ?? 0) + value;
  return {
    ntokens: a.ntokens + b.ntokens,
    nsentences: a.nsentences + b.nsentences,
    sampleSize: a.sampleSize + b.sampleSize,
    losses,
  };
}

/** The sums of a batch, from the device and from its counts. */
export async function readSums(
  pending: Readonly<Record<string, { read(): Promise<ArrayLike<number>> }>>,
  { ntokens, nsentences }: LanguagePairBatch,
  criterion: Criterion,
): Promise<CriterionSums> {
  const losses: Record<string, number> = {};
  for (const [name, value] of Object.entries(pending))
    [losses[name]] = Array.from(await value.read());
  return { ntokens, nsentences, sampleSize: criterion.sampleSize({ ntokens, nsentences }), losses };
}
