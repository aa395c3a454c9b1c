// What a function under compilation does besides computing: it reads and assigns variables.

import { formatShape, sameShape } from "../tensor/shape.ts";
import { newNodeId, Tensor } from "../tensor/tensor.ts";
import type { Variable } from "../tensor/variable.ts";
import { DisjointVariables } from "./disjoint_variables.ts";

export interface Assignment {
  readonly variable: Variable;
  readonly tensor: Tensor;
}

/** Effects of one traced call, in program order. */
export class Trace {
  private readonly current = new Map<Variable, Tensor>();
  private readonly assigned = new Map<Variable, Tensor>();
  private readonly targets = new DisjointVariables();

  /** @throws Error if another variable with elements of this one was assigned before. */
  read(variable: Variable): Tensor {
    let tensor = this.current.get(variable);
    if (!tensor) {
      this.refuseOverlap("readVariable", variable);
      tensor = new Tensor({ kind: "variable", id: newNodeId(), variable }, 0, variable.spec);
      this.current.set(variable, tensor);
    }
    return tensor;
  }

  /** @throws Error as read(); TypeError for another shape or dtype. */
  assign(variable: Variable, tensor: Tensor): void {
    if (!sameShape(variable.spec.shape, tensor.shape) || variable.spec.dtype !== tensor.dtype) {
      throw new TypeError(
        `assign: ${variable.name} is ${variable.spec.dtype}${formatShape(variable.spec.shape)}, ` +
          `not ${tensor.dtype}${formatShape(tensor.shape)}`,
      );
    }
    this.refuseOverlap("assign", variable);
    if (!this.assigned.has(variable)) this.targets.add(variable);
    this.current.set(variable, tensor);
    this.assigned.set(variable, tensor);
  }

  /** A view does not see what was assigned to another one until the call has ended. */
  private refuseOverlap(what: string, variable: Variable): void {
    const other = this.targets.overlapping(variable);
    if (!other || other === variable) return;
    throw new Error(
      `${what}: ${variable.name} overlaps ${other.name}, which was assigned in the same call`,
    );
  }

  /** The last assignment of each variable. */
  assignments(): Assignment[] {
    return [...this.assigned].map(([variable, tensor]) => ({ variable, tensor }));
  }
}

let active: Trace | undefined;

/** Runs `body` with a fresh trace and returns its result beside the trace. */
export function withTrace<T>(body: () => T): { result: T; trace: Trace } {
  const outer = active;
  const trace = new Trace();
  active = trace;
  try {
    return { result: body(), trace };
  } finally {
    active = outer;
  }
}

/** The value of a variable at this point of the program. */
export function readVariable(variable: Variable): Tensor {
  if (active) return active.read(variable);
  return new Tensor({ kind: "variable", id: newNodeId(), variable }, 0, variable.spec);
}

/** From here on in the program, `variable` holds `tensor`. Only inside a compiled function. */
export function assign(variable: Variable, tensor: Tensor): void {
  if (!active) throw new Error(`assign: ${variable.name} assigned outside a compiled function`);
  active.assign(variable, tensor);
}
