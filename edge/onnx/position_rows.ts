import { sinusoid } from "../../src/sinusoid.ts";
import type { SideArchitecture } from "../runtime/manifest.ts";
import type { OrtModule } from "./ort_module.ts";
import { OrtTensor } from "./ort_tensor.ts";

/** fairseq counts positions from padding + 1, and padding is 1. */
export const FIRST = 2;

/** Fewest rows of sinusoids that are made. */
const FEWEST = 64;

/** The rows of positions that a graph takes, one after the other in memory. */
export class PositionRows {
  private sinusoids = { address: 0, rows: 0 };

  /** @param learned (max_positions + 2, C) the table of a model that has learned it. */
  constructor(
    private readonly module: OrtModule,
    private readonly side: SideArchitecture,
    private readonly learned: OrtTensor | undefined,
  ) {}

  /** (count, C) for a sentence's tokens from `first` on, counted from 0. The caller's to release. */
  rows(first: number, count: number): OrtTensor {
    const { embed_dim: C } = this.side;
    const address = this.learned
      ? this.learned.address + 4 * C * FIRST
      : this.madeFor(first + count);
    return OrtTensor.over(this.module, "f32", [count, C], address + 4 * C * first);
  }

  release(): void {
    if (this.sinusoids.rows > 0) this.module.free(this.sinusoids.address);
    this.sinusoids = { address: 0, rows: 0 };
  }

  /** Address of sinusoids for at least so many tokens. */
  private madeFor(needed: number): number {
    if (needed <= this.sinusoids.rows) return this.sinusoids.address;
    const { embed_dim: C } = this.side;
    const rows = Math.max(FEWEST, needed, 2 * this.sinusoids.rows);
    this.release();
    const address = this.module.allocate(4 * C * rows);
    const table = this.module.floatsAt(address, C * rows).fill(0);
    for (let i = 0; i < rows; i++) sinusoid(FIRST + i, table.subarray(C * i, C * (i + 1)));
    this.sinusoids = { address, rows };
    return address;
  }
}
