// How a newcomer gets the state: all who have it send it a share each, straight from memory to memory.
import type { Block } from "../collective/pieces.ts";
import type { MessageOf } from "../membership/messages.ts";
import { ranksOf, type View } from "../membership/view.ts";
import { type DataHeader, ProtocolError } from "../wire/frame.ts";
import { ArrivingText, cutText } from "../wire/text_parts.ts";

/** Elements of one frame: 1 MiB. */
const FRAME_ELEMENTS = 2 ** 18;

interface Part {
  readonly address: number;
  readonly elements: number;
}

export class StateTransfer {
  private readonly parts: readonly Part[];
  private readonly arrived = new Set<number>();
  private readonly text = new ArrivingText();

  constructor(
    private readonly view: View,
    private readonly self: number,
    blocks: readonly Block[],
  ) {
    this.parts = blocks.flatMap(({ address, elements }) =>
      Array.from({ length: Math.ceil(elements / FRAME_ELEMENTS) }, (_, i) => ({
        address: address + 4 * i * FRAME_ELEMENTS,
        elements: Math.min(FRAME_ELEMENTS, elements - i * FRAME_ELEMENTS),
      })),
    );
  }

  get isFetching(): boolean {
    return this.view.fetching.includes(this.self);
  }

  /** Those who have the state. */
  private get donors(): number[] {
    return ranksOf(this.view.members).filter((rank) => !this.view.fetching.includes(rank));
  }

  /** Frames that this donor sends to every newcomer. */
  *share(): Generator<{ piece: number; address: number; bytes: number }> {
    const { donors, parts } = this;
    const own = donors.indexOf(this.self);
    if (own < 0) return;
    for (let piece = own; piece < parts.length; piece += donors.length) {
      yield { piece, address: parts[piece].address, bytes: 4 * parts[piece].elements };
    }
  }

  /** The record in messages; the first donor sends it. */
  *record(text: string): Generator<MessageOf<"record">> {
    if (this.donors[0] !== this.self) return;
    const { generation } = this.view;
    for (const part of cutText(text)) yield { t: "record", generation, ...part };
  }

  /** Where a frame belongs. */
  place({ piece }: Pick<DataHeader, "piece">, bytes: number): number {
    const part = this.parts[piece];
    if (!this.isFetching || part === undefined || this.arrived.has(piece)) {
      throw new ProtocolError(`part ${piece} of the state is not due`);
    }
    if (bytes !== 4 * part.elements) {
      throw new ProtocolError(
        `part ${piece} of the state has ${bytes} bytes, not ${4 * part.elements}`,
      );
    }
    return part.address;
  }

  add({ piece }: Pick<DataHeader, "piece">): void {
    this.arrived.add(piece);
  }

  addRecord(part: MessageOf<"record">): void {
    this.text.add(part);
  }

  /** The record, once everything is there. */
  get complete(): string | undefined {
    return this.arrived.size === this.parts.length ? this.text.whole : undefined;
  }
}
