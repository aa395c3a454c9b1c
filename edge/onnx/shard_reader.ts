import type { Bundle } from "../runtime/bundle.ts";

/** Reads pieces of a bundle's shards as if they were one file. Cheap where pieces come in order. */
export class ShardReader {
  /** The shard that was read last. */
  private held: { readonly name: string; readonly bytes: Uint8Array } | undefined;

  constructor(readonly bundle: Bundle) {}

  /** A copy of the bytes [offset, offset + count), aligned. @throws UserError for a damaged shard. */
  async bytes(offset: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const piece = new Uint8Array(count);
    const { shards, files } = this.bundle.manifest;
    let begin = 0;
    for (const name of shards) {
      const end = begin + files[name].bytes;
      const from = Math.max(offset, begin);
      const to = Math.min(offset + count, end);
      if (from < to) {
        const shard = await this.read(name);
        piece.set(shard.subarray(from - begin, to - begin), from - offset);
      }
      begin = end;
    }
    return piece;
  }

  private async read(name: string): Promise<Uint8Array> {
    if (this.held?.name !== name) this.held = { name, bytes: await this.bundle.read(name) };
    return this.held.bytes;
  }
}
