import type { Arithmetic } from "../collective/codec.ts";
import type { Fence } from "../fence/fence.ts";
import type { Address, Transport } from "../transport/transport.ts";
import type { Event, NodeSettings, SharedNumbers } from "./protocol.ts";

/** What a peer is made of, and how it reaches what is around it. */
export interface NodeParts {
  readonly settings: NodeSettings;
  readonly numbers: SharedNumbers;
  readonly arithmetic: Arithmetic;
  readonly transport: Transport;
  /** Where this peer can be reached, and the others, by rank. */
  readonly own: Address;
  readonly addresses: Map<number, Address>;
  readonly fence: Fence | undefined;
  /** Updates made so far. */
  readonly step: number;
  /** Milliseconds, from any origin. */
  readonly now: () => number;
  readonly tell: (event: Event) => void;
  /** The main thread hangs: this process is of no use any more. */
  readonly hangs: (reason: string) => void;
  /** Told of bytes that were received. */
  readonly received?: (bytes: number) => void;
}
