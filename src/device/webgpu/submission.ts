// Commands on their way to the queue: those of one run, or of several that are sent together.
import type { BufferPool } from "./buffer_pool.ts";
import type { SubmissionOrigin } from "./pass_timer.ts";
import { ReadBack } from "./read_back.ts";
import type { WebGpuDevice } from "./webgpu_device.ts";

/** Results of runs that are sent together share one buffer of this size, and so one mapping. */
const SHARED_RESULTS = 4096;

/** Where the results of a run will be. */
export interface Room {
  readonly readBack: ReadBack;
  /** Of their first byte, a multiple of 4. */
  readonly offset: number;
}

export class Submission {
  readonly encoder: GPUCommandEncoder;
  readonly passes: GPUComputePassEncoder[] = [];
  /** When it was sent, for those who time its kernels. */
  readonly origin: SubmissionOrigin = { host: 0, gpu: undefined };
  /** Runs encoded so far. */
  runs = 0;
  /** Input buffers that a run in here reads. */
  private readonly read = new Set<GPUBuffer>();
  private readonly borrowed: GPUBuffer[] = [];
  private shared: ReadBack | undefined;
  private sharedEnd = 0;
  private isSent = false;
  private readonly listeners: (() => void)[] = [];

  /**
   * @param uploads buffers for inputs that must wait within.
   * @param isShared whether more runs than one are expected.
   */
  constructor(
    private readonly device: WebGpuDevice,
    private readonly uploads: BufferPool,
    private readonly isShared: boolean,
    label: string,
  ) {
    this.encoder = device.gpu.createCommandEncoder({ label });
  }

  /** Brings the inputs of a run to where its kernels read them. */
  fill(target: GPUBuffer, data: Uint8Array): void {
    if (!this.read.has(target)) {
      this.read.add(target);
      this.device.upload(target, 0, data);
      return;
    }
    // What is written to the queue is there before all of these commands: an earlier run would read it.
    const waiting = this.uploads.take(data.byteLength);
    this.borrowed.push(waiting);
    this.device.upload(waiting, 0, data);
    this.encoder.copyBufferToBuffer(waiting, 0, target, 0, data.byteLength);
  }

  /** Room for results of this size. */
  room(bytes: number): Room {
    const { readBacks, errors } = this.device;
    const needed = Math.ceil(bytes / 4) * 4;
    const offset = this.sharedEnd;
    if (!this.isShared || offset + needed > SHARED_RESULTS) {
      return { readBack: new ReadBack(readBacks, errors, needed), offset: 0 };
    }
    this.shared ??= new ReadBack(readBacks, errors, SHARED_RESULTS);
    this.sharedEnd += needed;
    return { readBack: this.shared, offset };
  }

  /** Called once it is sent. */
  onSent(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Sends what was encoded; does nothing the second time. */
  send(): void {
    if (this.isSent) return;
    this.isSent = true;
    this.origin.host = performance.now() * 1000;
    this.device.submit(this.encoder, this.passes);
    // The next ones to write there are behind these commands in the queue.
    for (const buffer of this.borrowed) this.uploads.give(buffer);
    for (const listener of this.listeners) listener();
  }
}
