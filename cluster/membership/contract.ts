// What the membership of a peer asks of its surroundings: a node with sockets, or a simulator.
import type { Message, Progress } from "./messages.ts";
import type { Member, View } from "./view.ts";

/** What membership makes happen. */
export interface MembershipEffects {
  send(rank: number, message: Message): void;
  /** What this peer has made so far. */
  position(): Progress;
  /** The exchange of the present view ends; its frames no longer count. */
  abort(): void;
  /** Tells where members can be reached: this peer may have heard of the first ones only. */
  learn(members: readonly Member[]): void;
  /** A view that this peer is in was decided. */
  install(view: View): void;
  /** All members have installed the view: data may flow. */
  assembled(view: View): void;
  /** Without a quorum nothing may go on. */
  suspended(reason: string): void;
  /** Compare-and-swap of the external register, if there is one: gives the view that stands. */
  readonly swap?: (expected: number, next: View) => Promise<View>;
  say(line: string): void;
}

export interface MembershipOptions {
  readonly self: Member;
  /** Peers that form the cluster: ranks 0 to size - 1. */
  readonly size: number;
  /** Comes to a cluster at work. */
  readonly joining: boolean;
  /** How long a silent peer may be missed, in milliseconds. */
  readonly patience: number;
}

/** The messages that are its business. */
export type MembershipMessage =
  | ("beat" | "leave" | "suspect" | "join" | "prepare" | "promise")
  | ("reject" | "accept" | "accepted" | "decide" | "installed");
