// The rows of positions, made when they are first needed.
import { sinusoid } from "../../src/sinusoid.ts";
import type { LayerContext } from "./layers.ts";
import type { SideArchitecture } from "./manifest.ts";

/** fairseq counts positions from padding + 1, and padding is 1. */
const FIRST = 2;

/** Rows made at a time. */
const BLOCK = 32;

/** Where a side's rows of positions stand. */
export class Positions {
  private readonly blocks: number[] = [];
  private readonly learned: number | undefined;
  private readonly width: number;

  constructor(
    private readonly context: LayerContext,
    private readonly side: SideArchitecture,
    name: string,
  ) {
    this.width = side.embed_dim;
    if (side.positions === "learned") {
      this.learned = context.weights.floats(`${name}.weight`, [
        side.max_positions + FIRST,
        this.width,
      ]);
    }
  }

  /** Address of (C) for the sentence's token `index`, from 0; 0 for a model without positions. */
  at(index: number): number {
    if (this.side.positions === "none") return 0;
    const bytes = 4 * this.width;
    if (this.learned !== undefined) return this.learned + (FIRST + index) * bytes;
    const block = Math.floor(index / BLOCK);
    while (this.blocks.length <= block) this.blocks.push(this.makeBlock(this.blocks.length));
    return this.blocks[block] + (index % BLOCK) * bytes;
  }

  private makeBlock(block: number): number {
    const { kernels } = this.context;
    const { width } = this;
    const address = kernels.heap.allocate(4 * BLOCK * width);
    const rows = kernels.floatsAt(address, BLOCK * width).fill(0);
    for (let i = 0; i < BLOCK; i++) {
      sinusoid(FIRST + block * BLOCK + i, rows.subarray(i * width, (i + 1) * width));
    }
    return address;
  }
}
