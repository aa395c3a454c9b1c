import type { Receiver } from "../../../cluster/transport/transport.ts";

/** A receiver that keeps what arrives, and how it ended. */
export class Recorder implements Receiver {
  /** Reasons given to `closed`; one in the end. */
  readonly ends: (string | undefined)[] = [];
  readonly #closed = Promise.withResolvers<string | undefined>();
  readonly #chunks: Uint8Array[] = [];
  #received = 0;
  #space: Uint8Array = new Uint8Array(0);
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  /** @param makeSpace where the next bytes go. */
  constructor(private readonly makeSpace: () => Uint8Array = () => new Uint8Array(65536)) {}

  space(): Uint8Array {
    this.#space = this.makeSpace();
    return this.#space;
  }

  filled(count: number): void {
    if (this.ends.length > 0) throw new Error("bytes after the end");
    this.#chunks.push(this.#space.slice(0, count));
    this.#received += count;
    for (const { resolve } of this.#waiting.filter((each) => each.count <= this.#received))
      resolve();
    this.#waiting = this.#waiting.filter((each) => each.count > this.#received);
  }

  closed(reason: string | undefined): void {
    this.ends.push(reason);
    this.#closed.resolve(reason);
  }

  /** Resolves to the reason. */
  get end(): Promise<string | undefined> {
    return this.#closed.promise;
  }

  /** Resolves to all bytes once there are at least so many. */
  async bytes(count: number): Promise<Uint8Array> {
    if (this.#received < count) {
      await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    }
    return new Uint8Array(Buffer.concat(this.#chunks));
  }

  get received(): number {
    return this.#received;
  }

  async text(count: number): Promise<string> {
    return new TextDecoder().decode(await this.bytes(count));
  }
}
