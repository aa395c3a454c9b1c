import { UserError } from "../../config/user_error.ts";
import type { ByteSource } from "../byte_source.ts";

const CHUNK = 1 << 16;

/** The error of a .pt file that is damaged, or crafted. */
export function corruptTorch(place: string, problem: string): UserError {
  return new UserError({
    place,
    problem,
    remedy: "the file is damaged or was not written by torch.save; copy it again",
  });
}

/**
 * Reads a source from front to back in small chunks, so that a pickle at the head of a file of
 * gigabytes costs its own size only. Asking for more than is left is a UserError, before anything
 * is allocated.
 */
export class ByteCursor {
  private chunk: Uint8Array = new Uint8Array(0);
  private chunkStart = 0;

  constructor(
    readonly source: ByteSource,
    /** Next byte to be read. */
    public position: number,
    readonly end: number,
  ) {}

  /** One byte. */
  byte(): number {
    let at = this.position - this.chunkStart;
    if (at < 0 || at >= this.chunk.length) {
      this.fill(1);
      at = 0;
    }
    this.position++;
    return this.chunk[at] ?? 0;
  }

  /** The next `count` bytes; valid until the next call. */
  bytes(count: number): Uint8Array {
    let at = this.position - this.chunkStart;
    if (at < 0 || at + count > this.chunk.length) {
      this.fill(count);
      at = 0;
    }
    this.position += count;
    return this.chunk.subarray(at, at + count);
  }

  /** A little-endian view of the next `count` bytes. */
  view(count: number): DataView {
    const bytes = this.bytes(count);
    return new DataView(bytes.buffer, bytes.byteOffset, count);
  }

  /** Text up to the next newline, which is read too; at most `longest` bytes. */
  line(longest: number): string {
    const codes: number[] = [];
    for (let code = this.byte(); code !== 10; code = this.byte()) {
      if (codes.length === longest) throw this.error(`a name is longer than ${longest} bytes`);
      codes.push(code);
    }
    return new TextDecoder().decode(new Uint8Array(codes));
  }

  error(problem: string): UserError {
    return corruptTorch(this.source.place, `byte ${this.position}: ${problem}`);
  }

  private fill(needed: number): void {
    const left = this.end - this.position;
    if (needed > left) throw this.error(`${needed} bytes are announced, ${left} are left`);
    this.chunk = this.source.read(this.position, Math.min(left, Math.max(needed, CHUNK)));
    this.chunkStart = this.position;
  }
}
