// Host arrays for references: float64 whatever the dtype, row-major, never fast.
import { type Shape, sizeOf } from "../src/tensor/shape.ts";

export class NdArray {
  constructor(
    readonly shape: Shape,
    readonly data: Float64Array,
  ) {
    if (data.length !== sizeOf(shape)) {
      throw new RangeError(`NdArray: ${data.length} elements for shape (${shape.join(", ")})`);
    }
  }

  static zeros(shape: Shape): NdArray {
    return new NdArray(shape, new Float64Array(sizeOf(shape)));
  }

  static of(shape: Shape, values: ArrayLike<number>): NdArray {
    return new NdArray(shape, Float64Array.from(values));
  }

  get size(): number {
    return this.data.length;
  }
}
