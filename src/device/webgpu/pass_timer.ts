// Times dispatches on the GPU itself: one pass each, with a timestamp at its beginning and end.
import type { Span } from "../spans.ts";
import { usage } from "./buffer_pool.ts";

/** The standard's limit of one query set. */
const QUERIES_PER_SET = 4096;

/** One moment on two clocks, for all that was sent together. */
export interface SubmissionOrigin {
  /** Microseconds of the host's. When the GPU begins is not told, but not before its commands are sent. */
  host: number;
  /** Nanoseconds of the GPU's, once its first timestamp is known. */
  gpu: bigint | undefined;
}

export class PassTimer {
  private readonly sets: GPUQuerySet[] = [];
  private readonly labels: { name: string; detail: string }[] = [];
  private readonly resolved: GPUBuffer;

  /** @param passes at most so many are timed. */
  constructor(device: GPUDevice, passes: number) {
    for (let queries = passes * 2; queries > 0; queries -= QUERIES_PER_SET) {
      const count = Math.min(queries, QUERIES_PER_SET);
      this.sets.push(device.createQuerySet({ type: "timestamp", count }));
    }
    this.resolved = device.createBuffer({
      label: "timestamps",
      size: this.sets.length * QUERIES_PER_SET * 8,
      usage: usage.queryResolve | usage.copySource,
    });
  }

  get bytes(): number {
    return this.labels.length * 16;
  }

  /** Describes the next pass. */
  next(name: string, detail: string): GPUComputePassDescriptor {
    const query = this.labels.length * 2;
    this.labels.push({ name, detail });
    return {
      timestampWrites: {
        querySet: this.sets[Math.floor(query / QUERIES_PER_SET)],
        beginningOfPassWriteIndex: query % QUERIES_PER_SET,
        endOfPassWriteIndex: (query % QUERIES_PER_SET) + 1,
      },
    };
  }

  /** Adds the commands that bring the timestamps into `target` from byte `offset` on. */
  resolve(encoder: GPUCommandEncoder, target: GPUBuffer, offset: number): void {
    const queries = this.labels.length * 2;
    for (const [i, set] of this.sets.entries()) {
      const count = Math.min(queries - i * QUERIES_PER_SET, QUERIES_PER_SET);
      if (count > 0) {
        encoder.resolveQuerySet(set, 0, count, this.resolved, i * QUERIES_PER_SET * 8);
      }
    }
    if (this.bytes > 0) encoder.copyBufferToBuffer(this.resolved, 0, target, offset, this.bytes);
  }

  /** Timestamps, in nanoseconds, as spans in microseconds on the host's clock. */
  report(bytes: ArrayBuffer, offset: number, origin: SubmissionOrigin, spans: Span[]): void {
    const times = new BigUint64Array(bytes.slice(offset, offset + this.bytes));
    if (times.length === 0) return;
    origin.gpu ??= times[0];
    for (const [i, label] of this.labels.entries()) {
      const start = origin.host + Number(times[2 * i] - origin.gpu) / 1000;
      const duration = Number(times[2 * i + 1] - times[2 * i]) / 1000;
      spans.push({ ...label, start, duration, kind: "gpu" });
    }
  }

  destroy(): void {
    for (const set of this.sets) set.destroy();
    this.resolved.destroy();
  }
}
