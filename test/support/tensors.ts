// Safetensors files of the goldens, as typed arrays.
import { openSafetensors } from "../../src/interop/safetensors.ts";
import { toFloat32, toNumbers } from "../../src/interop/stored_tensor.ts";
import { goldenPath } from "./golden.ts";

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** All tensors of a golden file, widened to float32. Token ids up to 2^24 stay exact. */
export function readTensors(path: string): Map<string, GoldenTensor> {
  const file = openSafetensors(goldenPath(path));
  try {
    return new Map(
      [...file.tensors.keys()].map((name) => {
        const tensor = file.read(name);
        const integers = tensor.dtype === "I64" || tensor.dtype === "I32";
        const data = integers ? Float32Array.from(toNumbers(tensor)) : toFloat32(tensor);
        return [name, { shape: tensor.shape, data }];
      }),
    );
  } finally {
    file.close();
  }
}

/** Fails at the first element that is further off than absolute + relative * max |want|. */
export function expectTensor(
  what: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  absolute: number,
  relative = 0,
): void {
  if (got.length !== want.length)
    throw new Error(`${what}: ${got.length} of ${want.length} elements`);
  let largest = 0;
  for (let i = 0; i < want.length; i++) largest = Math.max(largest, Math.abs(want[i]));
  const tolerance = absolute + relative * largest;
  for (let i = 0; i < want.length; i++) {
    if (Math.abs(got[i] - want[i]) <= tolerance) continue;
    throw new Error(`${what}: element ${i} is ${got[i]}, should be ${want[i]} within ${tolerance}`);
  }
}
