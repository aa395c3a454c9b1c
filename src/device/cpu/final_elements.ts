// Which elements of some variables no later instruction of a program writes.
import { bytesPerElement, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import type { Program } from "../program.ts";

/**
 * For each instruction: how many of the first elements of the variables, taken one after another, are
 * final before it runs.
 */
export function finalElements(program: Program, variables: readonly Variable[]): number[] {
  const starts = new Map<Variable, number>();
  let total = 0;
  for (const root of variables) {
    starts.set(root, total);
    total += sizeOf(root.spec.shape);
  }
  const before = new Array<number>(program.instructions.length);
  let first = total;
  for (let number = program.instructions.length - 1; number >= 0; number--) {
    for (const output of program.instructions[number].outputs) {
      const { buffer, offset } = program.values[output];
      const place = program.buffers[buffer];
      const start = place.kind === "variable" ? starts.get(place.variable) : undefined;
      if (start !== undefined) first = Math.min(first, start + offset / bytesPerElement("f32"));
    }
    before[number] = first;
  }
  return before;
}
