// What reductions mean. Float64, plain loops, never fast.
import { NdArray } from "../nd_array.ts";
import { type Kind, type Reduction, reducedShape, reductionExtents } from "./reduce.ts";

export function reduceReference(kind: Kind, reduction: Reduction, x: NdArray): NdArray {
  const y = NdArray.zeros(reducedShape(reduction, x.shape));
  const { outer, length, inner } = reductionExtents(reduction, x.shape);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let total = kind === "max" ? Number.NEGATIVE_INFINITY : 0;
      for (let l = 0; l < length; l++) {
        const value = x.data[(o * length + l) * inner + i];
        if (kind === "max") total = Math.max(total, value);
        else total += kind === "sum" ? value : value * value;
      }
      y.data[o * inner + i] = total;
    }
  }
  return y;
}
