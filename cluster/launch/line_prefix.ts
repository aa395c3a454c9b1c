const NEWLINE = 10;

/** Puts a prefix before each line of a stream of bytes, and gives out whole lines only. */
export class LinePrefix {
  private readonly prefix: Uint8Array;
  /** The line under way. */
  private begun: Uint8Array[] = [];

  constructor(prefix: string) {
    this.prefix = new TextEncoder().encode(prefix);
  }

  /** More of the stream. @returns the lines that are whole now. */
  take(chunk: Uint8Array): Uint8Array {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    const lines = end > 0 ? Buffer.concat([...this.begun, chunk.subarray(0, end)]) : undefined;
    if (lines) this.begun = [];
    if (end < chunk.length) this.begun.push(chunk.subarray(end));
    return lines ? this.prefixed(lines) : new Uint8Array(0);
  }

  /** The stream is over. @returns its last line, if that had no end; now it has. */
  end(): Uint8Array {
    if (this.begun.length === 0) return new Uint8Array(0);
    return this.take(new Uint8Array([NEWLINE]));
  }

  private prefixed(lines: Uint8Array): Uint8Array {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < lines.length; ) {
      const end = lines.indexOf(NEWLINE, at) + 1;
      pieces.push(this.prefix, lines.subarray(at, end));
      at = end;
    }
    return Buffer.concat(pieces);
  }
}
