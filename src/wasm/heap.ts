// Memory inside one growing WebAssembly memory: first fit, neighbours merged when freed.

import { UserError } from "../config/user_error.ts";

const ALIGNMENT = 64; // a cache line, and what BLAS likes

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

interface Block {
  address: number;
  bytes: number;
}

/** Whose memory it is, and what helps when it is full. */
export interface HeapOwner {
  readonly place: string;
  readonly remedy: string;
}

/** Thrown when the memory cannot hold a request; names both sizes. */
export class OutOfMemoryError extends UserError {
  constructor(detail: UserError["detail"]) {
    super(detail);
    this.name = "OutOfMemoryError";
  }

  static of(owner: HeapOwner, requested: number, used: number, limit: number): OutOfMemoryError {
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
    const problem = `${mib(requested)} more do not fit: ${mib(used)} of ${mib(limit)} are in use`;
    return new OutOfMemoryError({ ...owner, problem });
  }
}

/** Addresses in [start, limit); `grow` makes the memory reach to an address. */
export class Heap {
  /** Free blocks in order of address. */
  private readonly free: Block[] = [];
  private readonly used = new Map<number, number>();
  private top: number;
  private usedBytes = 0;
  private highest: number;

  constructor(
    start: number,
    readonly limit: number,
    private readonly grow: (end: number) => void,
    private readonly owner: HeapOwner,
  ) {
    this.top = align(start);
    this.highest = this.top;
  }

  /** From here up nothing was ever handed out: the memory is zero, and the system has not yet given it. */
  get untouched(): number {
    return this.highest;
  }

  get bytes(): number {
    return this.usedBytes;
  }

  /** @returns a 64-byte aligned address. @throws OutOfMemoryError. */
  allocate(requested: number): number {
    const bytes = align(Math.max(requested, 1));
    const index = this.free.findIndex((block) => block.bytes >= bytes);
    const address = index >= 0 ? this.takeFrom(index, bytes) : this.extend(bytes);
    this.used.set(address, bytes);
    this.usedBytes += bytes;
    return address;
  }

  private takeFrom(index: number, bytes: number): number {
    const block = this.free[index];
    const { address } = block;
    if (block.bytes === bytes) this.free.splice(index, 1);
    else {
      block.address += bytes;
      block.bytes -= bytes;
    }
    return address;
  }

  private extend(bytes: number): number {
    // A free block at the very end serves as the start of the new one.
    const last = this.free.at(-1);
    const address = last && last.address + last.bytes === this.top ? last.address : this.top;
    if (address + bytes > this.limit) {
      throw OutOfMemoryError.of(this.owner, bytes, this.usedBytes, this.limit);
    }
    this.grow(address + bytes);
    if (last && address === last.address) this.free.pop();
    this.top = address + bytes;
    this.highest = Math.max(this.highest, this.top);
    return address;
  }

  release(address: number): void {
    const bytes = this.used.get(address);
    if (bytes === undefined) throw new Error(`Heap: nothing was allocated at ${address}`);
    this.used.delete(address);
    this.usedBytes -= bytes;
    const after = this.free.findIndex((block) => block.address > address);
    const at = after < 0 ? this.free.length : after;
    this.free.splice(at, 0, { address, bytes });
    this.merge(at);
    if (at > 0) this.merge(at - 1);
  }

  private merge(index: number): void {
    const block = this.free[index];
    const next = this.free[index + 1];
    if (next && block.address + block.bytes === next.address) {
      block.bytes += next.bytes;
      this.free.splice(index + 1, 1);
    }
  }
}
