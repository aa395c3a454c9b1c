import { moveRows, reshape } from "../../kernels/movement/index.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Positions of a batch (B, T) laid close together, so that layers which treat every position alike
 * spend nothing on padding.
 */
export class PackedRows {
  /**
   * @param rows i32 (N), which positions are packed, as b T + t; each at most once.
   * @param places i32 (B, T), where each position lies, -1 for those left out.
   */
  constructor(
    readonly rows: Tensor,
    readonly places: Tensor,
  ) {}

  /** x (B, T, C) -> (N, C). */
  pack(x: Tensor): Tensor {
    return moveRows(x, this.rows, this.places);
  }

  /** i32 (B, T) -> (N). */
  packNumbers(numbers: Tensor): Tensor {
    const column = reshape(numbers, [...numbers.shape, 1]); // (B, T, 1)
    return reshape(this.pack(column), [sizeOf(this.rows.shape)]);
  }

  /** x (N, C) -> (B, T, C), zeros where a position is left out. */
  spread(x: Tensor): Tensor {
    return moveRows(x, this.places, this.rows);
  }
}
