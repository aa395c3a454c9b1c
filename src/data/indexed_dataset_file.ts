import { closeSync, openSync, writeSync } from "node:fs";
import type { ElementType } from "./element_type.ts";
import type { TokenDataset } from "./token_dataset.ts";

/** A dataset in a pair of files; each get() reads from disk. */
export interface IndexedDataset extends TokenDataset {
  readonly elementType: ElementType;
  close(): void;
}

/** A file that grows by small writes, gathered into large ones. */
export class SequenceFile {
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(1 << 20);
  #used = 0;

  constructor(readonly path: string) {
    this.#descriptor = openSync(path, "w");
  }

  write(bytes: Uint8Array): void {
    if (this.#used + bytes.length > this.#buffer.length) this.#flush();
    if (bytes.length > this.#buffer.length) {
      this.#writeAll(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  close(): void {
    this.#flush();
    closeSync(this.#descriptor);
  }

  #flush(): void {
    this.#writeAll(this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  #writeAll(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done);
    }
  }
}
