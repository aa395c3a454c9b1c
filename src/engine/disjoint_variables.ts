// Variables of which no two share an element, such as what a program assigns.
import { sizeOf } from "../tensor/shape.ts";
import type { Variable } from "../tensor/variable.ts";

export class DisjointVariables {
  /** By root, in order of their offsets. */
  private readonly byRoot = new Map<Variable, Variable[]>();

  /** The one that comes first among those that share elements with `variable`. */
  overlapping(variable: Variable): Variable | undefined {
    const neighbours = this.byRoot.get(variable.root);
    if (!neighbours) return undefined;
    const found = neighbours[firstEndingBehind(neighbours, variable.offset)];
    return found?.overlaps(variable) ? found : undefined;
  }

  /** Adds one that overlaps none of those that are there. */
  add(variable: Variable): void {
    const neighbours = this.byRoot.get(variable.root);
    if (!neighbours) this.byRoot.set(variable.root, [variable]);
    else neighbours.splice(firstEndingBehind(neighbours, variable.offset), 0, variable);
  }
}

/** Place of the first variable of which some element lies at `offset` or behind it. */
function firstEndingBehind(variables: readonly Variable[], offset: number): number {
  let [low, high] = [0, variables.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { offset: start, spec } = variables[middle];
    if (start + sizeOf(spec.shape) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
