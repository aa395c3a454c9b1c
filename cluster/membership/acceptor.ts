// One member's vote in a change. Paxos's acceptor: never answers an older ballot, tells what it accepted.
import { type Ballot, isLater, type MessageOf, type Position } from "./messages.ts";
import type { View } from "./view.ts";

export class Acceptor {
  private promised: { generation: number; ballot: Ballot } | undefined;
  private accepted: { generation: number; ballot: Ballot; view: View } | undefined;

  /** Round of the latest ballot about what follows a generation. */
  roundOf(generation: number): number {
    return this.promised?.generation === generation ? this.promised.ballot[0] : 0;
  }

  /** @param position where this member stands, asked only if it promises. */
  prepare(
    { generation, ballot }: MessageOf<"prepare">,
    position: () => Position,
  ): MessageOf<"promise"> | MessageOf<"reject"> {
    const refusal = this.refusal(generation, ballot);
    if (refusal) return refusal;
    this.promised = { generation, ballot };
    const kept = this.accepted?.generation === generation ? this.accepted : undefined;
    const accepted = kept ? { ballot: kept.ballot, view: kept.view } : null;
    return { t: "promise", generation, ballot, position: position(), accepted };
  }

  accept({
    generation,
    ballot,
    view,
  }: MessageOf<"accept">): MessageOf<"accepted"> | MessageOf<"reject"> {
    const refusal = this.refusal(generation, ballot);
    if (refusal) return refusal;
    this.promised = { generation, ballot };
    this.accepted = { generation, ballot, view };
    return { t: "accepted", generation, ballot };
  }

  /** Learns of a later ballot than one's own. */
  outbid(generation: number, ballot: Ballot): void {
    if (!this.refusal(generation, ballot)) this.promised = { generation, ballot };
  }

  private refusal(generation: number, ballot: Ballot): MessageOf<"reject"> | undefined {
    const { promised } = this;
    if (promised?.generation !== generation || !isLater(promised.ballot, ballot)) return undefined;
    return { t: "reject", generation, promised: promised.ballot };
  }
}
