// The decoder's memory of what was said: a place for each token of each living hypothesis. A token's
// place points to the one before it, so hypotheses that began alike share their beginning, and what no
// hypothesis goes on from is free again at once. Reordering beams moves nothing.
import type { Kernels } from "./kernels.ts";

/** Places made at a time. */
const BLOCK = 32;

const NONE = -1;

/** Places of one size for all requests of a model. */
export class PastPlaces {
  private readonly addresses: number[] = [];
  private readonly before: number[] = [];
  /** How many places and rows hold on to each. */
  private readonly holders: number[] = [];
  private readonly free: number[] = [];
  private readonly blocks: number[] = [];

  /** @param bytes of one token's keys and values for all layers. */
  constructor(
    private readonly kernels: Kernels,
    private readonly bytes: number,
  ) {}

  /** Places in use. */
  get size(): number {
    return this.addresses.length - this.free.length;
  }

  /** A place after `before` (or after nothing), held once. */
  take(before = NONE): number {
    if (this.free.length === 0) this.grow();
    const place = this.free.pop() ?? NONE;
    this.before[place] = before;
    this.holders[place] = 1;
    if (before !== NONE) this.holders[before]++;
    return place;
  }

  /** A place after each of these. @throws OutOfMemoryError; then none has been taken. */
  takeAll(before: readonly (number | undefined)[]): Int32Array {
    while (this.free.length < before.length) this.grow();
    return Int32Array.from(before, (place) => this.take(place));
  }

  /** Holds a place `times` times more. */
  hold(place: number, times: number): void {
    this.holders[place] += times;
  }

  /** Gives up one hold; places that nobody holds any more are free. */
  drop(place: number): void {
    for (let at = place; at !== NONE && --this.holders[at] === 0; at = this.before[at]) {
      this.free.push(at);
    }
  }

  /** Address of a place. */
  at(place: number): number {
    return this.addresses[place];
  }

  /** Writes the addresses of the `length` places up to `last`, in the order in which they were said. */
  write(last: number, length: number, to: Int32Array, from: number): void {
    let place = last;
    for (let i = from + length - 1; i >= from; i--) {
      to[i] = this.addresses[place];
      place = this.before[place];
    }
  }

  release(): void {
    for (const block of this.blocks) this.kernels.heap.release(block);
    for (const list of [this.addresses, this.before, this.holders, this.free, this.blocks]) {
      list.length = 0;
    }
  }

  private grow(): void {
    const block = this.kernels.heap.allocate(BLOCK * this.bytes);
    this.blocks.push(block);
    for (let i = 0; i < BLOCK; i++) {
      this.free.push(this.addresses.length);
      this.addresses.push(block + i * this.bytes);
      this.before.push(NONE);
      this.holders.push(0);
    }
  }
}
