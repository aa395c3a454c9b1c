import type { Kernels } from "./kernels.ts";

/** One area of memory that grows with the neediest request; its contents do not outlive a call. */
export class Scratch {
  private start = 0;
  private bytes = 0;

  constructor(private readonly kernels: Kernels) {}

  /** Address of at least `bytes`; what was here before is gone if it had to grow. */
  reserve(bytes: number): number {
    if (bytes > this.bytes) {
      this.release();
      this.start = this.kernels.heap.allocate(bytes);
      this.bytes = bytes;
    }
    return this.start;
  }

  release(): void {
    if (this.bytes > 0) this.kernels.heap.release(this.start);
    this.bytes = 0;
  }
}
