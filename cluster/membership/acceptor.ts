// One member's vote in changes. Paxos's acceptor: never answers an older ballot, tells what it accepted.
// What follows each generation is a question of its own: a member that has not heard of a view may be asked
// what follows it, and then again what follows its own.
import { type Ballot, isLater, type MessageOf } from "./messages.ts";
import type { View } from "./view.ts";

/** What a promise tells besides the vote. */
type Stand = Pick<MessageOf<"promise">, "position" | "last">;

interface Vote {
  promised: Ballot;
  accepted: { readonly ballot: Ballot; readonly view: View } | null;
}

export class Acceptor {
  /** By the generation that a change would follow. */
  private readonly votes = new Map<number, Vote>();

  /** Round of the latest ballot about what follows a generation. */
  roundOf(generation: number): number {
    return this.votes.get(generation)?.promised[0] ?? 0;
  }

  /** The last generation of which this member has accepted a view to follow it; 0 if there is none. */
  get lastAccepted(): number {
    const accepted = [...this.votes].filter(([, vote]) => vote.accepted !== null);
    return Math.max(0, ...accepted.map(([generation]) => generation));
  }

  /** Whether it was asked what follows a later generation. */
  knowsLater(generation: number): boolean {
    return [...this.votes.keys()].some((each) => each > generation);
  }

  /** @param stand where this member stands, asked only if it promises. */
  prepare(
    { generation, ballot }: MessageOf<"prepare">,
    stand: () => Stand,
  ): MessageOf<"promise"> | MessageOf<"reject"> {
    const refusal = this.refusal(generation, ballot);
    if (refusal) return refusal;
    const accepted = this.votes.get(generation)?.accepted ?? null;
    this.votes.set(generation, { promised: ballot, accepted });
    return { t: "promise", generation, ballot, ...stand(), accepted };
  }

  accept({
    generation,
    ballot,
    view,
  }: MessageOf<"accept">): MessageOf<"accepted"> | MessageOf<"reject"> {
    const refusal = this.refusal(generation, ballot);
    if (refusal) return refusal;
    this.votes.set(generation, { promised: ballot, accepted: { ballot, view } });
    return { t: "accepted", generation, ballot };
  }

  /** Learns of a later ballot than one's own. */
  outbid(generation: number, ballot: Ballot): void {
    if (this.refusal(generation, ballot)) return;
    const accepted = this.votes.get(generation)?.accepted ?? null;
    this.votes.set(generation, { promised: ballot, accepted });
  }

  /** What follows these generations is decided. */
  forget(before: number): void {
    for (const each of [...this.votes.keys()]) if (each < before) this.votes.delete(each);
  }

  private refusal(generation: number, ballot: Ballot): MessageOf<"reject"> | undefined {
    const promised = this.votes.get(generation)?.promised;
    if (!promised || !isLater(promised, ballot)) return undefined;
    return { t: "reject", generation, promised };
  }
}
