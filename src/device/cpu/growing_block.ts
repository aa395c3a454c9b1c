// Memory that all programs use, since only one runs at a time: as large as the neediest of them wants.
import type { Heap } from "../../wasm/heap.ts";

export class GrowingBlock {
  private block = { address: 0, bytes: 0 };
  private moves = 0;

  constructor(private readonly heap: Heap) {}

  get address(): number {
    return this.block.address;
  }

  get bytes(): number {
    return this.block.bytes;
  }

  /** Changes whenever the block leaves its place: what was encoded with its address is then stale. */
  get version(): number {
    return this.moves;
  }

  /** @throws OutOfMemoryError; the block is then empty until a smaller request comes. */
  reserve(bytes: number): void {
    if (bytes <= this.block.bytes) return;
    this.moves++;
    const { address, bytes: before } = this.block;
    // Given back first: the new block may begin at the same place.
    this.block = { address: 0, bytes: 0 };
    if (before > 0) this.heap.release(address);
    this.block = { address: this.heap.allocate(bytes), bytes };
  }
}
