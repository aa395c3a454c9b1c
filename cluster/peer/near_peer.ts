// A peer on the same machine: payloads do not go through the socket that both share, which copies them
// twice; each side says where they lie, and the other one reads them there.
//
// Each side has a cell in its memory, of its own for each connection: random bytes, and an epoch. Both are
// read with every payload. The random bytes prove that the process is still the one that authenticated
// itself, on this machine; the epoch, that the payload was still there. It changes when what was announced
// is withdrawn, before its memory is used for anything else: then the payload was as good as never sent.
import { randomFillSync } from "node:crypto";
import { type MessageOf, NONCE_BYTES } from "../membership/messages.ts";
import type { NearMemory } from "../transport/transport.ts";
import { type Announcement, encodeAnnouncement, encodePulled } from "../wire/announcement.ts";
import type { DataHeader } from "../wire/frame.ts";

/** Fewer bytes cost less on the way through a socket. */
const SMALLEST = 4096;

const CELL_BYTES = NONCE_BYTES + 4;
const EPOCH = NONCE_BYTES / 4;
const MAX_TICKET = 0xffff_ffff;

/** A payload whose memory this peer waits to use again. */
interface Lent {
  readonly ticket: number;
  readonly sent: () => void;
}

/** Memory that stays where it is. */
const fixed = (bytes: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(bytes));

export class NearPeer {
  private readonly cell = fixed(CELL_BYTES);
  private readonly epoch = new Int32Array(this.cell.buffer);
  /** What was read of the other side's cell. */
  private readonly seen = fixed(CELL_BYTES);
  private readonly seenEpoch = new Uint32Array(this.seen.buffer);
  /** The other side, once its memory could be read. */
  private other: MessageOf<"near"> | undefined;
  private isRead = false;
  private lastTicket = 0;
  private lent: Lent[] = [];
  /** To be given back; 0 for none. */
  private owed = 0;

  /** @param send a frame that tells of payloads that were read. */
  constructor(
    private readonly memory: NearMemory,
    private readonly send: (frame: Uint8Array) => void,
  ) {
    randomFillSync(this.cell.subarray(0, NONCE_BYTES));
  }

  /** What the other side needs to read this one's memory. */
  offer(): MessageOf<"near"> {
    const { memory, cell } = this;
    const nonce = cell.slice(0, NONCE_BYTES);
    return { t: "near", pid: memory.pid, cell: memory.addressOf(cell), nonce };
  }

  /** Tries to read the other side's memory. @returns why it cannot be read, if it cannot. */
  unreadable(offer: MessageOf<"near">): string | undefined {
    this.other = undefined;
    try {
      this.memory.read(offer.pid, [offer.cell], [this.seen]);
    } catch (error) {
      return (error as Error).message;
    }
    if (!isSame(offer.nonce, this.seen)) return "it is another process's";
    this.other = offer;
    return undefined;
  }

  /** Whether this side reads the other one's memory. */
  get reads(): boolean {
    return this.other !== undefined;
  }

  /** The other side has tried. */
  isReadBy({ reads }: MessageOf<"reach">): void {
    this.isRead = reads;
  }

  /**
   * The frame to send instead of a payload, which stays as it is until `sent` or `withdraw`.
   * @returns undefined if it is to be sent as it is.
   */
  announce(
    header: DataHeader,
    payload: Uint8Array,
    sent: (() => void) | undefined,
  ): Uint8Array | undefined {
    if (!this.isRead || payload.length < SMALLEST) return undefined;
    let ticket = 0;
    if (sent) {
      ticket = this.lastTicket = this.lastTicket === MAX_TICKET ? 1 : this.lastTicket + 1;
      this.lent.push({ ticket, sent });
    }
    const address = this.memory.addressOf(payload);
    const epoch = this.epoch[EPOCH] >>> 0;
    return encodeAnnouncement({ header, address, bytes: payload.length, epoch, ticket });
  }

  /** The other side needs what had this ticket no more, nor what was announced before. */
  pulled(ticket: number): void {
    const count = 1 + this.lent.findIndex((each) => each.ticket === ticket);
    for (const { sent } of this.lent.splice(0, count)) sent();
  }

  /** What was announced is void from now on, whether it was read or not. */
  withdraw(): void {
    Atomics.add(this.epoch, EPOCH, 1);
    this.lent = [];
  }

  /**
   * Reads a payload.
   * @returns false if it was withdrawn: then its place holds anything.
   * @throws Error if the other process is gone, or cannot be read any more.
   */
  pull({ address, epoch }: Announcement, place: Uint8Array): boolean {
    const { other, seen } = this;
    if (!other) return false;
    // In this order: whoever withdraws says so before anything else.
    this.memory.read(other.pid, [address, other.cell], [place, seen]);
    if (!isSame(other.nonce, seen)) throw new Error("its memory is another process's now");
    return this.seenEpoch[EPOCH] === epoch;
  }

  /** A payload is not needed any more: the other side hears it, with all that follow in this turn. */
  giveBack({ ticket }: Announcement): void {
    if (ticket === 0) return;
    if (this.owed === 0) {
      queueMicrotask(() => {
        this.send(encodePulled(this.owed));
        this.owed = 0;
      });
    }
    this.owed = ticket;
  }
}

const isSame = (nonce: Uint8Array, cell: Uint8Array): boolean =>
  nonce.every((byte, i) => byte === cell[i]);
