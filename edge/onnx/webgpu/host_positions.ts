import { sinusoid } from "../../../src/sinusoid.ts";
import type { Bundle } from "../../runtime/bundle.ts";
import type { SideArchitecture } from "../../runtime/manifest.ts";
import { FIRST } from "../position_rows.ts";
import { ShardReader } from "../shard_reader.ts";

/** The rows of positions that a graph takes: few numbers, sent along with each run. */
export class HostPositions {
  private constructor(
    private readonly width: number,
    /** (max_positions + 2, C) where the model has learned them. */
    private readonly learned: Float32Array<ArrayBuffer> | undefined,
  ) {}

  /** @throws UserError for a file that is damaged. */
  static async load(bundle: Bundle, side: "encoder" | "decoder"): Promise<HostPositions> {
    const { architecture, tensors } = bundle.manifest;
    const { embed_dim }: SideArchitecture = architecture[side];
    const table = tensors.find(({ name }) => name === `${side}.embed_positions.weight`);
    if (table === undefined) return new HostPositions(embed_dim, undefined);
    const bytes = await new ShardReader(bundle).bytes(table.offset, table.bytes);
    return new HostPositions(embed_dim, new Float32Array(bytes.buffer));
  }

  /** (count, C) for a sentence's tokens from `first` on, counted from 0. */
  rows(first: number, count: number): Float32Array {
    const { width: C, learned } = this;
    if (learned) return learned.slice(C * (FIRST + first), C * (FIRST + first + count));
    const rows = new Float32Array(C * count);
    for (let i = 0; i < count; i++) {
      sinusoid(FIRST + first + i, rows.subarray(C * i, C * (i + 1)));
    }
    return rows;
  }
}
