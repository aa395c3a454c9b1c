// One connection to a peer: frames out of bytes, a greeting before everything else.
import { type Hello, hello as helloSchema, type Message, message } from "../membership/messages.ts";
import type { Connection, Receiver } from "../transport/transport.ts";
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

/** What a link tells. Errors thrown by these end it. */
export interface LinkEvents {
  /** The other side has said who it is. @returns why it cannot stay, if it cannot. */
  greeted(link: Link, hello: Hello): void;
  /** Somebody asks about the job instead of greeting. */
  asked(link: Link): void;
  refused(link: Link, reason: string, fatal: boolean): void;
  message(link: Link, message: Message): void;
  place(link: Link, header: DataHeader, bytes: number): Uint8Array | undefined;
  arrived(link: Link, header: DataHeader, payload: Uint8Array): void;
  ended(link: Link, reason: string): void;
}

/** Control messages go ahead of gradients that wait to be sent. */
const URGENT = { urgent: true } as const;

export class Link implements FrameSink {
  readonly receiver: Receiver;
  private readonly reader: FrameReader;
  private connection: Connection | undefined;
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

  sendData(header: DataHeader, payload: Uint8Array, sent?: () => void): void {
    this.connection?.send([encodeDataHead(header, payload.byteLength), payload], { sent });
  }

  /** Forgets data that waits to be sent. */
  dropData(): void {
    this.connection?.dropQueued();
  }

  close(): void {
    this.isOver = true;
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
    } else this.events.message(this, parsed.data);
  }

  closed(reason: string | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.ended(this, reason ?? "it closed the connection");
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
