// Opening and reading the two files of an indexed dataset, PREFIX.idx and PREFIX.bin.
//
// The index is read whole; of the .bin only the bytes of the sequence asked for, at every get().
// The system's page cache holds what is used, so nothing is read twice from disk, a dataset larger
// than memory works, and opening one costs nothing but the index.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { UserError } from "../config/user_error.ts";

/** Reads an index file front to back; running past its end is an error that names the file. */
export class IndexReader {
  readonly #view: DataView;
  #offset = 0;

  constructor(readonly path: string) {
    const bytes = readOrExplain(path, () => readFileSync(path));
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #advance(bytes: number): number {
    const at = this.#offset;
    if (at + bytes > this.#view.byteLength) {
      throw damaged(
        this.path,
        `the index ends at byte ${this.#view.byteLength}, where ${at + bytes} are announced`,
      );
    }
    this.#offset += bytes;
    return at;
  }

  magic(length: number): string {
    const at = this.#advance(length);
    return Array.from({ length }, (_, i) => String.fromCharCode(this.#view.getUint8(at + i))).join(
      "",
    );
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  // Neither table is aligned in the file, so elements are read one by one.
  i32s(count: number): Int32Array {
    const at = this.#advance(4 * count);
    const values = new Int32Array(count);
    for (let i = 0; i < count; i++) values[i] = this.#view.getInt32(at + 4 * i, true);
    return values;
  }

  /** Float64: offsets stay exact up to 2^53. */
  i64s(count: number): Float64Array {
    const at = this.#advance(8 * count);
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const offset = at + 8 * i;
      values[i] =
        this.#view.getInt32(offset + 4, true) * 4294967296 + this.#view.getUint32(offset, true);
    }
    return values;
  }
}

/** The .bin file, read by ranges. */
export class BinFile {
  readonly #descriptor: number;
  readonly #size: number;

  /** @param size bytes that the index announces. @throws UserError if the file is shorter. */
  constructor(
    readonly path: string,
    size: number,
  ) {
    this.#descriptor = readOrExplain(path, () => openSync(path, "r"));
    this.#size = fstatSync(this.#descriptor).size;
    if (this.#size < size) {
      closeSync(this.#descriptor);
      throw damaged(path, `the file has ${this.#size} bytes, its index announces ${size}`);
    }
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const got = readSync(this.#descriptor, bytes, done, length - done, offset + done);
      if (got === 0) throw damaged(this.path, `the file was cut off while it was being read`);
      done += got;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The error for a dataset file that is not what it should be. */
export const damaged = (place: string, problem: string): UserError =>
  new UserError({ place, problem, remedy: "binarise the text again with weft preprocess" });

function readOrExplain<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new UserError({
      place: path,
      problem: `the file cannot be read (${(cause as Error).message})`,
      remedy: "give the folder that weft preprocess wrote",
    });
  }
}
