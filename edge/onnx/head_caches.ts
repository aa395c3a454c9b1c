import type { OrtModule } from "./ort_module.ts";
import { OrtTensor } from "./ort_tensor.ts";

/** (rows, heads, slots, width) of a cache. */
export interface CacheShape {
  readonly rows: number;
  readonly heads: number;
  readonly slots: number;
  readonly width: number;
}

/** Keys and values of all layers of one batch: tensors of one shape, in one piece of memory. */
export class HeadCaches {
  private address = 0;
  private made: readonly OrtTensor[] = [];
  /** Rows that each tensor has memory for. */
  private roomFor = 0;

  constructor(
    private readonly module: OrtModule,
    private readonly count: number,
    private shape: CacheShape,
  ) {
    this.allocate();
  }

  /** In order; they hold until rows or slots change. */
  get tensors(): readonly OrtTensor[] {
    return this.made;
  }

  get slots(): number {
    return this.shape.slots;
  }

  /**
   * Fills the first slots of a row from (count, heads, slots, width) at an address. Behind them come zeros:
   * even without weight in a sum, what the memory held before might be no number.
   */
  write(row: number, address: number, slots: number): void {
    const { heads, width } = this.shape;
    const bytes = 4 * width * slots;
    const memory = this.module.glue.HEAPU8;
    for (const [n, tensor] of this.made.entries()) {
      for (let head = 0; head < heads; head++) {
        const to = tensor.address + this.rowBytes * row + this.headBytes * head;
        const from = address + bytes * (n * heads + head);
        memory.copyWithin(to, from, from + bytes);
        memory.fill(0, to + bytes, to + this.headBytes);
      }
    }
  }

  /** Drops all rows but those of the groups `kept`, in ascending order, of `size` rows each. */
  keep(kept: Int32Array, size: number): void {
    const bytes = this.rowBytes * size;
    const memory = this.module.glue.HEAPU8;
    for (const { address } of this.made) {
      for (const [to, from] of kept.entries()) {
        memory.copyWithin(
          address + bytes * to,
          address + bytes * from,
          address + bytes * (from + 1),
        );
      }
    }
    this.shape = { ...this.shape, rows: kept.length * size };
    this.describe();
  }

  /** Makes room for more slots; what the others hold stays. */
  widen(slots: number): void {
    const { rows, heads } = this.shape;
    const before = { address: this.address, tensors: this.made, bytes: this.headBytes };
    this.shape = { ...this.shape, slots };
    this.allocate();
    const memory = this.module.glue.HEAPU8;
    for (const [n, { address }] of before.tensors.entries()) {
      for (let head = 0; head < rows * heads; head++) {
        const from = address + before.bytes * head;
        const to = this.made[n].address + this.headBytes * head;
        memory.copyWithin(to, from, from + before.bytes);
      }
    }
    for (const tensor of before.tensors) tensor.release();
    this.module.free(before.address);
  }

  release(): void {
    for (const tensor of this.made) tensor.release();
    this.module.free(this.address);
  }

  private get headBytes(): number {
    return 4 * this.shape.slots * this.shape.width;
  }

  private get rowBytes(): number {
    return this.shape.heads * this.headBytes;
  }

  private allocate(): void {
    this.roomFor = this.shape.rows;
    this.address = this.module.allocate(this.count * this.roomFor * this.rowBytes);
    this.made = [];
    this.describe();
  }

  private describe(): void {
    for (const tensor of this.made) tensor.release();
    const { rows, heads, slots, width } = this.shape;
    const step = this.roomFor * this.rowBytes;
    this.made = Array.from({ length: this.count }, (_, n) =>
      OrtTensor.over(this.module, "f32", [rows, heads, slots, width], this.address + n * step),
    );
  }
}
