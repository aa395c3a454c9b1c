// How a newcomer gets the state: all who have it send it a share each, straight from memory to memory.
import { type Block, elementsOf } from "../collective/pieces.ts";
import type { MessageOf } from "../membership/messages.ts";
import { ranksOf, type View } from "../membership/view.ts";
import { type DataHeader, ProtocolError } from "../wire/frame.ts";

/** Elements of one frame: 1 MiB. */
const FRAME_ELEMENTS = 2 ** 18;

/** Characters of one part of the record. */
const RECORD_PART = 60_000;

interface Part {
  readonly address: number;
  readonly elements: number;
}

export class StateTransfer {
  private readonly parts: readonly Part[];
  private readonly arrived = new Set<number>();
  private readonly text: (string | undefined)[] = [];

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
    const parts = Math.max(1, Math.ceil(text.length / RECORD_PART));
    for (let part = 0; part < parts; part++) {
      const piece = text.slice(part * RECORD_PART, (part + 1) * RECORD_PART);
      yield { t: "record", generation, part, parts, text: piece };
    }
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

  addRecord({ part, parts, text }: MessageOf<"record">): void {
    this.text.length = parts;
    this.text[part] = text;
  }

  /** The record, once everything is there. */
  get complete(): string | undefined {
    const { text, parts, arrived } = this;
    const isWhole = text.length > 0 && Array.from(text).every((part) => part !== undefined);
    return isWhole && arrived.size === parts.length ? text.join("") : undefined;
  }

  /** Bytes of the state. */
  static bytes(blocks: readonly Block[]): number {
    return 4 * elementsOf(blocks);
  }
}
