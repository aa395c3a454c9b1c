// Replicas must be equal to the bit; here a difference is found and put into words.
import type { HeldUpdate } from "../collective/update_barrier.ts";

/** What is wrong, if members computed an update's gradients from different parameters. */
export function difference({ step, sums }: HeldUpdate): string | undefined {
  const hashes = [...sums].map(([rank, { parameters }]) => [rank, parameters] as const);
  const counts = new Map<number, number>();
  for (const [, hash] of hashes) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  if (counts.size <= 1) return undefined;
  const most = Math.max(...counts.values());
  const right = hashes.find(([, hash]) => counts.get(hash) === most)?.[1];
  const odd = hashes.filter(([, hash]) => hash !== right).map(([rank]) => rank);
  return (
    `after update ${step} the parameters of rank ${odd.join(", ")} differ from the others';\n` +
    "  compare the devices, threads and BLAS in the first lines of the logs, and start again from the " +
    "last checkpoint"
  );
}
