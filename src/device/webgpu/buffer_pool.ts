// GPU buffers that are used again: creating one costs a callback in the binding and zeroing on the GPU.

/** GPUBufferUsage by its numbers: not every provider sets the global. */
export const usage = {
  mapRead: 0x0001,
  copySource: 0x0004,
  copyTarget: 0x0008,
  uniform: 0x0040,
  storage: 0x0080,
  queryResolve: 0x0200,
} as const;

const smallest = 256;

/** A power of two that holds `bytes`, so that buffers of near sizes can stand in for one another. */
const sizeClass = (bytes: number): number => 2 ** Math.ceil(Math.log2(Math.max(bytes, smallest)));

/** Buffers of one usage. take() and give() are cheap; nothing is freed before clear(). */
export class BufferPool {
  private readonly idle = new Map<number, GPUBuffer[]>();

  constructor(
    private readonly device: GPUDevice,
    private readonly label: string,
    private readonly use: GPUBufferUsageFlags,
  ) {}

  /** A buffer of at least this many bytes. Its contents are whatever the last user left. */
  take(bytes: number): GPUBuffer {
    const size = sizeClass(bytes);
    return (
      this.idle.get(size)?.pop() ??
      this.device.createBuffer({ label: this.label, size, usage: this.use })
    );
  }

  give(buffer: GPUBuffer): void {
    const waiting = this.idle.get(buffer.size);
    if (waiting) waiting.push(buffer);
    else this.idle.set(buffer.size, [buffer]);
  }

  clear(): void {
    for (const buffers of this.idle.values()) for (const buffer of buffers) buffer.destroy();
    this.idle.clear();
  }
}
