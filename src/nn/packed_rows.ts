import { moveRows, reshape } from "../../kernels/movement/index.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Positions of a batch (B, T) laid close together, so that layers which treat every position alike
 * spend nothing on padding. In order: a sentence's rows follow those of the sentence before.
 */
export class PackedRows {
  /**
   * @param rows i32 (N), which positions are packed, as b T + t, ascending.
   * @param places i32 (B, T), where each position lies, -1 for those left out.
   * @param starts i32 (B + 1), the first row of each sentence, and N.
   */
  constructor(
    readonly rows: Tensor,
    readonly places: Tensor,
    readonly starts: Tensor,
  ) {}

  /** T: no sentence has more rows. */
  get longest(): number {
    return this.places.shape[1];
  }

  /** x (B, T, C) -> (N, C). */
  pack(x: Tensor): Tensor {
    return moveRows(x, this.rows, this.places);
  }

  /** i32 (B, T) -> (N). */
  packNumbers(numbers: Tensor): Tensor {
    const column = reshape(numbers, [...numbers.shape, 1]); // (B, T, 1)
    return reshape(this.pack(column), [sizeOf(this.rows.shape)]);
  }
}
