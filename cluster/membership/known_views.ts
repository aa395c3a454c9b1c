// The views that a peer knows: the one it is in, who of that has its state, and a later one without it.
import { Assembly } from "./assembly.ts";
import type { MessageOf } from "./messages.ts";
import { isSame, type Member, type View } from "./view.ts";

export class KnownViews {
  /** The last one that this peer was in. */
  own: View | undefined;
  /** A later one that was decided without it. */
  outside: View | undefined;
  /** The last generation whose state this peer has. */
  installed = 0;
  readonly assembly = new Assembly();

  constructor(private readonly self: Member) {}

  get generation(): number {
    return this.own?.generation ?? 0;
  }

  /** Whether others have decided on a later view than this peer's. */
  get isOutside(): boolean {
    return (this.outside?.generation ?? 0) > this.generation;
  }

  isMember(rank: number): boolean {
    return this.own?.members.some((member) => member.rank === rank) ?? false;
  }

  /** Whether a member has the state of the view, as far as this one knows. */
  has(rank: number): boolean {
    const { own, assembly } = this;
    return !own?.fetching.includes(rank) || assembly.has(rank, own.generation);
  }

  /** Learns of a decision. @returns whether this peer is to install it. */
  isNews(view: View): boolean {
    if (view.generation <= this.generation) return false;
    if (view.members.some((member) => isSame(member, this.self))) return true;
    if (view.generation > (this.outside?.generation ?? 0)) this.outside = view;
    return false;
  }

  /** What a promise tells of the view of a generation. */
  lastOf(generation: number): MessageOf<"promise">["last"] {
    const last = [this.own, this.outside].find((each) => each?.generation === generation);
    return last ? { resume: last.resume, fetching: last.fetching } : null;
  }
}
