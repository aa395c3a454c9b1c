// Who has come to a meeting, in words.
import { TemporaryFailure } from "../../src/config/temporary_failure.ts";
import { UserError } from "../../src/config/user_error.ts";
import { addressText } from "../transport/address_text.ts";
import type { Address } from "../transport/transport.ts";

/** So many that were turned away are told of. */
const MAX_TURNED_AWAY = 8;

/** One that is there; without a rank until the meeting has given it one. */
export interface Guest {
  readonly rank?: number | undefined;
  readonly address: Address;
}

/** "ranks 1, 2 and 5 are missing", or how many if ranks are yet to be given out. */
export function missingText(size: number, here: readonly Guest[]): string {
  const ranks = new Set(here.map(({ rank }) => rank));
  const missing = Array.from({ length: size }, (_, rank) => rank).filter(
    (rank) => !ranks.has(rank),
  );
  if (ranks.has(undefined) || here.length === 0) {
    const count = size - here.length;
    return count === 1 ? "one is missing" : `${count} are missing`;
  }
  if (missing.length === 1) return `rank ${missing[0]} is missing`;
  return `ranks ${missing.slice(0, -1).join(", ")} and ${missing.at(-1)} are missing`;
}

/** "rank 0 at node1:29400, one at node2:29400". */
export function guestsText(here: readonly Guest[]): string {
  return [...here]
    .sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity))
    .map(({ rank, address }) => {
      const who = rank === undefined ? "one" : `rank ${rank}`;
      return `${who} at ${addressText(address)}`;
    })
    .join(", ");
}

/** The error of a meeting whose time is over. */
export function notAllCame(
  place: string,
  size: number,
  seconds: number,
  here: readonly Guest[],
  turnedAway?: TurnedAway,
): TemporaryFailure {
  const others = [`here: ${guestsText(here)}`, ...(turnedAway?.texts ?? [])].join("; ");
  return new TemporaryFailure({
    place,
    problem: `of ${size} peers ${missingText(size, here)} after ${seconds} s (${others})`,
    remedy:
      "start them, with the same number of peers and the same name of the job; see their logs",
  });
}

/** Those who came to a meeting that is not theirs: who waits there in vain may be waiting for them. */
export class TurnedAway {
  private readonly told = new Set<string>();

  /** @param say told of each. */
  constructor(private readonly say: (text: string) => void) {}

  /** @param problem why it cannot be a peer here, as it is told itself. */
  add(address: Address, problem: string): void {
    const text = `turned away ${addressText(address)}: ${problem}`;
    // Strangers come as often as they like.
    if (this.told.size >= MAX_TURNED_AWAY || this.told.has(text)) return;
    this.told.add(text);
    this.say(text);
  }

  get texts(): readonly string[] {
    return [...this.told];
  }
}

/** The error of a process whose rank another one has, and lives. */
export function rankTaken(place: string, rank: number, address: Address): UserError {
  return new UserError({
    place,
    problem: `rank ${rank} is taken: the process at ${addressText(address)} has it, and lives`,
    remedy:
      "give every process a rank of its own, or none of them; end what is left of an earlier run",
  });
}
