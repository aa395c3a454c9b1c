// Results on their way to the host. A run copies them into a mappable buffer at its end, so that
// later runs may overwrite the originals before anyone reads.
import type { BufferPool } from "./buffer_pool.ts";
import type { ErrorWatch } from "./errors.ts";

/** GPUMapMode.READ */
export const MAP_READ = 1;

interface Loan {
  readonly pool: BufferPool;
  readonly buffer: GPUBuffer;
}

/** Results that nobody reads give their buffer back when they are collected. */
const forgotten = new FinalizationRegistry<Loan>(({ pool, buffer }) => pool.give(buffer));

export class ReadBack {
  /** The copy commands of the run go here. */
  readonly buffer: GPUBuffer;
  private bytes: Promise<ArrayBuffer> | undefined;

  constructor(
    private readonly pool: BufferPool,
    private readonly errors: ErrorWatch,
    private readonly size: number,
  ) {
    this.buffer = pool.take(size);
    forgotten.register(this, { pool, buffer: this.buffer }, this);
  }

  /** The copied bytes, once the device has come so far. @throws what went wrong on the device. */
  read(): Promise<ArrayBuffer> {
    this.bytes ??= this.map();
    return this.bytes;
  }

  private async map(): Promise<ArrayBuffer> {
    forgotten.unregister(this);
    try {
      await this.buffer.mapAsync(MAP_READ, 0, this.size);
    } catch (refusal) {
      await this.errors.explain(refusal);
    }
    const bytes = this.buffer.getMappedRange(0, this.size).slice(0);
    this.buffer.unmap();
    this.pool.give(this.buffer);
    await this.errors.settled();
    return bytes;
  }
}
