/** Random access to bytes that need not all be in memory: a file, or an array. */
export interface ByteSource {
  /** What messages call it: a path. */
  readonly place: string;
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, in an array of their own when the source is a file
   * (aligned at 0) and as a view when it is in memory. The caller has checked the range.
   */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** A source over bytes already in memory. */
export function bytesSource(bytes: Uint8Array, place: string): ByteSource {
  return {
    place,
    size: bytes.byteLength,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.byteLength) {
        throw new RangeError(`${place}: no ${length} bytes at ${offset} of ${bytes.byteLength}`);
      }
      return bytes.subarray(offset, offset + length);
    },
    close() {},
  };
}
