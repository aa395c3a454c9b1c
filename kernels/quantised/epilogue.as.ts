// From integer sums to floats.
import { sumLanesI32 } from "./lanes.as";

/** y = sum xs ws + bias. `bias` is an address, or 0 for none. */
@inline
export function put(y: usize, sum: v128, xs: usize, ws: usize, bias: usize): void {
  const scaled = <f32>sumLanesI32(sum) * (load<f32>(xs) * load<f32>(ws));
  store<f32>(y, bias ? scaled + load<f32>(bias) : scaled);
}
