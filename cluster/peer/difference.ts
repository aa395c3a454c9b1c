// Replicas must be equal to the bit; here a difference is found and put into words.
import type { HeldUpdate } from "../collective/update_barrier.ts";

/** What is wrong, if members computed an update's gradients from different parameters. */
export function difference({ step, sums }: HeldUpdate): string | undefined {
  const ranks = new Map<number, number[]>();
  for (const [rank, { parameters }] of [...sums].sort(([a], [b]) => a - b)) {
    ranks.set(parameters, [...(ranks.get(parameters) ?? []), rank]);
  }
  if (ranks.size <= 1) return undefined;
  const [most, second] = [...ranks.values()].sort((a, b) => b.length - a.length);
  // Of two halves nobody can say which one is right, and all should name the same.
  const odd = [...sums.keys()].filter((rank) => !most.includes(rank)).sort((a, b) => a - b);
  const which =
    most.length === second.length
      ? `${ranksText([...most, ...odd].sort((a, b) => a - b))} differ from each other`
      : `${ranksText(odd)} differ from the others'`;
  return (
    `after update ${step} the parameters of ${which};\n` +
    "  compare the devices, threads and BLAS in the first lines of the logs, and start again from the " +
    "last checkpoint"
  );
}

const ranksText = (ranks: readonly number[]): string =>
  `${ranks.length === 1 ? "rank" : "ranks"} ${ranks.join(", ")}`;
