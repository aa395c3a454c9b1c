// One connection to a peer: frames out of bytes, a greeting before everything else.
import {
  type Hello,
  hello as helloSchema,
  type Message,
  type MessageOf,
  message,
} from "../membership/messages.ts";
import type { Connection, Receiver } from "../transport/transport.ts";
import type { Announcement } from "../wire/announcement.ts";
import { encodeControl } from "../wire/encode_control.ts";
import { encodeDataHead } from "../wire/encode_data_head.ts";
import {
  type DataHeader,
  type FrameSink,
  MAX_CONTROL,
  MAX_HELLO,
  ProtocolError,
} from "../wire/frame.ts";
import { FrameReader } from "../wire/frame_reader.ts";
import { NearPeer } from "./near_peer.ts";

/** What a link tells. Errors thrown by these end it. */
export interface LinkEvents {
  /** The other side has said who it is. @returns why it cannot stay, if it cannot. */
  greeted(link: Link, hello: Hello): void;
  /** Somebody asks about the job instead of greeting. */
  asked(link: Link): void;
  refused(link: Link, reason: string, fatal: boolean): void;
  /** The other side's memory is on this machine, and this process may not read it. */
  unreadable(link: Link, reason: string): void;
  message(link: Link, message: Message): void;
  place(link: Link, header: DataHeader, bytes: number): Uint8Array | undefined;
  arrived(link: Link, header: DataHeader, payload: Uint8Array): void;
  ended(link: Link, reason: string): void;
}

/** Control messages go ahead of gradients that wait to be sent. */
const URGENT = { urgent: true, together: true } as const;

/** Gradients of more bytes are sent at once: the other side may work on them while this one goes on. */
const LARGE = 65536;

export class Link implements FrameSink {
  readonly receiver: Receiver;
  private readonly reader: FrameReader;
  private connection: Connection | undefined;
  private near: NearPeer | undefined;
  /** What the other side said of itself. */
  peer: Hello | undefined;
  isOver = false;
  /** Where the payload under way goes. */
  private payload: Uint8Array | undefined;

  /** @param dialled the address that was dialled; undefined on the side that listens. */
  constructor(
    private readonly events: LinkEvents,
    readonly dialled: string | undefined,
  ) {
    this.reader = new FrameReader(this, { maxControl: MAX_HELLO });
    this.receiver = this.reader;
  }

  /** The connection is open. */
  open(connection: Connection, greeting: Hello | undefined): void {
    this.connection = connection;
    const { memory } = connection;
    if (memory) this.near = new NearPeer(memory, (frame) => connection.send([frame], URGENT));
    if (greeting) this.send(greeting);
  }

  get remote(): string {
    return this.connection?.remote ?? this.dialled ?? "an unknown address";
  }

  get traffic(): Connection["traffic"] {
    return this.connection?.traffic ?? { sent: 0, received: 0 };
  }

  /**
   * What is left of a payload under way goes nowhere.
   * @param released called once nothing is written any more where it would have gone.
   */
  divert(released: () => void): void {
    this.payload = undefined;
    this.reader.divert(released);
  }

  send(message: Message): void {
    this.connection?.send([encodeControl(message)], URGENT);
  }

  /** To one who has greeted: it may read this process's memory, if it can. */
  offerMemory(): void {
    if (this.near) this.send(this.near.offer());
  }

  sendData(header: DataHeader, payload: Uint8Array, sent?: () => void): void {
    const announcement = this.near?.announce(header, payload, sent);
    const together = payload.byteLength < LARGE;
    if (announcement) this.connection?.send([announcement], { together });
    else
      this.connection?.send([encodeDataHead(header, payload.byteLength), payload], {
        sent,
        together,
      });
  }

  /** Forgets data that waits to be sent. */
  dropData(): void {
    this.near?.withdraw();
    this.connection?.dropQueued();
  }

  close(): void {
    this.isOver = true;
    this.near?.withdraw();
    this.connection?.close();
  }

  // ---- FrameSink ----

  place(header: DataHeader, bytes: number): Uint8Array | undefined {
    if (!this.peer) throw new ProtocolError("data before a greeting");
    this.payload = this.events.place(this, header, bytes);
    return this.payload;
  }

  arrived(header: DataHeader): void {
    const { payload } = this;
    this.payload = undefined;
    if (!this.isOver && payload) this.events.arrived(this, header, payload);
  }

  announced(announcement: Announcement): void {
    const { near } = this;
    if (!near?.reads) throw new ProtocolError("an announcement to one who cannot read it");
    if (this.isOver) return;
    const place = this.place(announcement.header, announcement.bytes);
    const isHere = place !== undefined && near.pull(announcement, place);
    near.giveBack(announcement);
    if (isHere) this.arrived(announcement.header);
    else this.payload = undefined;
  }

  pulled(ticket: number): void {
    this.near?.pulled(ticket);
  }

  control(document: unknown): void {
    if (this.isOver) return;
    if (!this.peer) {
      this.first(document);
      return;
    }
    const parsed = message.safeParse(document);
    if (!parsed.success) throw new ProtocolError(`a message that makes no sense: ${tell(parsed)}`);
    if (parsed.data.t === "refuse") {
      this.events.refused(this, parsed.data.reason, parsed.data.fatal);
    } else if (parsed.data.t === "near") this.meet(parsed.data);
    else if (parsed.data.t === "reach") this.near?.isReadBy(parsed.data);
    else this.events.message(this, parsed.data);
  }

  closed(reason: string | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.near?.withdraw();
    this.events.ended(this, reason ?? "it closed the connection");
  }

  private meet(offer: MessageOf<"near">): void {
    const unreadable = this.near?.unreadable(offer);
    if (unreadable !== undefined) this.events.unreadable(this, unreadable);
    this.send({ t: "reach", reads: this.near?.reads ?? false });
  }

  private first(document: unknown): void {
    const parsed = message.safeParse(document);
    if (parsed.success && parsed.data.t === "status") {
      this.events.asked(this);
    } else if (parsed.success && parsed.data.t === "refuse") {
      this.events.refused(this, parsed.data.reason, parsed.data.fatal);
    } else {
      const greeting = helloSchema.safeParse(document);
      if (!greeting.success) throw new ProtocolError(`no greeting of weft's: ${tell(greeting)}`);
      this.peer = greeting.data;
      this.reader.limitControl(MAX_CONTROL);
      this.events.greeted(this, greeting.data);
    }
  }
}

const tell = ({
  error,
}: {
  error?: { issues: readonly { path: PropertyKey[]; message: string }[] };
}) => {
  const [issue] = error?.issues ?? [];
  return issue ? `${issue.path.map(String).join(".")}: ${issue.message}`.slice(0, 200) : "unknown";
};
