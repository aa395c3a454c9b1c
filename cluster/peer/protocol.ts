// What the main thread and the communication Worker say to each other, by postMessage.
import type { Block } from "../collective/pieces.ts";
import type { HeldUpdate } from "../collective/update_barrier.ts";
import type { View } from "../membership/view.ts";
import type { SocketChoice } from "../transport/open_sockets.ts";
import type { Security } from "../transport/security.ts";
import type { Address } from "../transport/transport.ts";
import type { Wire } from "../wire/frame.ts";
import type { SharedValues } from "./shares.ts";
import type { StepUnit } from "./status_report.ts";

/** What an exchange works in. */
export interface ExchangeRoom {
  /** Micro-batches of an update, if each is a contribution of its own; else 0. */
  readonly microBatches: number;
  /** Memory that the exchange may use for itself. */
  readonly scratch: { readonly address: number; readonly bytes: number };
}

/** Where a peer's numbers lie: one shared memory, that of a cpu device or one of its own. */
export interface SharedNumbers extends ExchangeRoom {
  readonly memory: WebAssembly.Memory;
  /** The flat gradients, in the order in which the backward pass finishes them. */
  readonly gradients: readonly Block[];
  /** All that a newcomer needs: first the parameters (`parameterBlocks` of them), then moments. */
  readonly state: readonly Block[];
  readonly parameterBlocks: number;
}

export interface NodeSettings {
  readonly rank: number;
  readonly size: number;
  readonly incarnation: number;
  readonly job: string;
  readonly joining: boolean;
  /** Hashes and names that must be equal on all peers. */
  readonly agreement: Readonly<Record<string, string>>;
  readonly wire: Wire;
  /** Milliseconds after which a silent peer is held to be dead. */
  readonly patience: number;
  /** Milliseconds without a sign of the main thread after which it is held to hang. */
  readonly hangsAfter: number;
  readonly fence: string | undefined;
  /** What a step is: an update, or a round of them that each peer makes by itself. */
  readonly counts: StepUnit;
}

/** From the main thread: first to the Worker, then to the peer that runs in it. */
export type Request =
  /** Listens; answered by `listening`. */
  | {
      readonly kind: "listen";
      readonly address: Address;
      readonly security: Security;
      readonly sockets: SocketChoice;
    }
  /** Goes to the others. */
  | {
      readonly kind: "start";
      readonly settings: NodeSettings;
      readonly numbers: SharedNumbers;
      /** Updates made so far. */
      readonly step: number;
      /** Where this peer can be reached, and the others, by rank. */
      readonly own: Address;
      readonly addresses: readonly (readonly [rank: number, address: Address])[];
    }
  /** Tells others that this peer does not come, for so many milliseconds; answered by `left`. */
  | {
      readonly kind: "decline";
      readonly reason: string;
      readonly addresses: readonly Address[];
      readonly patience: number;
    }
  | { readonly kind: "close" }
  | NodeRequest;

/** What belongs to a view names its generation: it is void once the view has changed. */
interface OfView {
  readonly generation: number;
}

export type NodeRequest =
  /** Begins an update. @param slots contributions to it: see Reduction. */
  | (OfView & { readonly kind: "begin"; readonly step: number; readonly slots: readonly number[] })
  /** So many elements of the gradients of one of this peer's contributions are final. */
  | (OfView & {
      readonly kind: "final";
      readonly step: number;
      readonly slot: number;
      readonly elements: number;
    })
  | (OfView & {
      readonly kind: "sums";
      readonly step: number;
      readonly rows: [number, number[]][];
      /** Seconds that this peer computed for the update. */
      readonly busy: number;
    })
  /** An update has more micro-batches than was known: from now on the exchange works there. */
  | { readonly kind: "room"; readonly room: ExchangeRoom }
  /** The view's state is in memory: what was held is applied, what was fetched is in use. */
  | (OfView & { readonly kind: "installed" })
  /** Tells all members a value, and hears theirs. */
  | (OfView & { readonly kind: "share"; readonly name: string; readonly value: string })
  /** This peer leaves its memory to those who have the state. */
  | (OfView & { readonly kind: "fetch" })
  /** The state is in memory, and this is the rest of it: newcomers may have it. */
  | (OfView & { readonly kind: "record"; readonly text: string })
  /** A line about this peer for those who ask for the job's status. */
  | { readonly kind: "progress"; readonly report: Readonly<Record<string, number>> }
  /** The main thread is in the midst of something long. */
  | { readonly kind: "alive" }
  | { readonly kind: "leave"; readonly reason: string }
  /** Stops the job on all peers. @param isMistake whether the user must mend it: see the message `fail`. */
  | { readonly kind: "fail"; readonly reason: string; readonly isMistake: boolean };

/** To the main thread. */
export type Event =
  | { readonly kind: "listening"; readonly address: Address }
  /** What wakes the communication thread, if messages alone do not: see `Libc.ring`. */
  | { readonly kind: "bell"; readonly bell: number }
  /** Whatever was under way is void. `held`, if any, is applied first. */
  | { readonly kind: "view"; readonly view: View; readonly held: HeldUpdate | undefined }
  /** The state has been fetched from the others. */
  | { readonly kind: "fetched"; readonly generation: number; readonly record: string }
  /** Every member may now begin the update that the view resumes at. */
  | { readonly kind: "assembled"; readonly generation: number }
  /** A contribution has left the gradients' memory: it may be used for the next one. */
  | {
      readonly kind: "taken";
      readonly generation: number;
      readonly step: number;
      readonly slot: number;
    }
  /** All members hold the update: it is to be applied. */
  | {
      readonly kind: "update";
      readonly generation: number;
      readonly held: HeldUpdate;
      readonly exchange: ExchangeStats;
    }
  | {
      readonly kind: "shared";
      readonly generation: number;
      readonly name: string;
      readonly values: SharedValues;
    }
  /** No quorum: nothing goes on until one is found again. */
  | { readonly kind: "suspended"; readonly reason: string }
  /** Ranks that are still awaited before the cluster forms, and why each is not there. */
  | {
      readonly kind: "awaiting";
      readonly ranks: readonly number[];
      readonly trouble: readonly string[];
    }
  | { readonly kind: "say"; readonly line: string }
  /** The end. `isMistake`: whether the user must mend it, or another attempt may go better. */
  | {
      readonly kind: "failed";
      readonly reason: string;
      readonly isMistake: boolean;
      /** One that this peer cannot talk to has yet to find out for itself. */
      readonly isUnsaid?: boolean;
    }
  | { readonly kind: "left" };

/** How the exchange of an update went. */
export interface ExchangeStats {
  /** Bytes of gradients, this peer's alone. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds from the first bytes sent to the last sum received. */
  readonly lasted: number;
  /** Of these, after the last peer's backward pass: what was not hidden. */
  readonly exposed: number;
}
