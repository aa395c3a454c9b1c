// Decides where every value of a traced function lies: aliases share, in-place results take over
// their input's buffer, assigned results are produced in the variable itself where that is safe.

import { copy } from "../../kernels/movement/index.ts";
import type { Op } from "../../kernels/op.ts";
import type { Buffer, Instruction, Program, Value } from "../device/program.ts";
import { bytesOf, sizeOf } from "../tensor/shape.ts";
import { apply, type OpNode, type Tensor } from "../tensor/tensor.ts";
import type { Variable } from "../tensor/variable.ts";
import { topologicalOrder } from "./gradient.ts";
import type { Assignment } from "./trace.ts";

export interface TracedFunction {
  readonly name: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly assignments: readonly Assignment[];
}

/** Places all values of a traced function and lists its instructions in program order. */
export function place(traced: TracedFunction): Program {
  return new Placement(traced).program();
}

interface VariableRead {
  readonly variable: Variable;
  readonly at: number;
}

class Placement {
  private readonly buffers: Buffer[] = [];
  private readonly values: Value[] = [];
  private readonly instructions: Instruction[] = [];
  /** Value numbers. */
  private readonly placed = new Map<Tensor, number>();
  private readonly variableBuffers = new Map<Variable, number>();
  private readonly constantBuffers = new Map<object, number>();
  /** Last instruction that reads each tensor. */
  private readonly lastUse = new Map<Tensor, number>();
  /** Reads of variables, by root and in order of instructions. */
  private readonly variableReads = new Map<Variable, VariableRead[]>();
  private readonly order: OpNode[];
  /** Number of instructions; a use "at the end" happens at this time. */
  private readonly end: number;
  private readonly outputs: ReadonlyMap<string, Tensor>;
  private readonly targets = new Map<Tensor, Variable>();
  private readonly copies: Assignment[] = [];
  private readonly copyTargets = new Set<number>();

  constructor(private readonly traced: TracedFunction) {
    // What the caller reads must not change under an assignment of the same run.
    this.outputs = new Map(
      [...traced.outputs].map(([name, tensor]) => [
        name,
        originOf(tensor).node.kind === "variable" ? apply(copy, {}, tensor) : tensor,
      ]),
    );
    const roots = [...this.outputs.values(), ...traced.assignments.map(({ tensor }) => tensor)];
    this.order = topologicalOrder(roots);
    for (const assignment of traced.assignments) {
      if (this.targets.has(assignment.tensor)) this.copies.push(assignment);
      else this.targets.set(assignment.tensor, assignment.variable);
    }
    this.end = this.findUses();
  }

  program(): Program {
    const inputs = [...this.traced.inputs].map(([name, tensor]) => ({
      name,
      value: this.valueOf(tensor),
    }));
    for (const node of this.order) this.placeInstruction(node, this.instructions.length);
    for (const [tensor, variable] of this.targets) {
      if (!this.liesAt(tensor, variable)) this.copies.push({ tensor, variable });
    }
    for (const { tensor, variable } of this.copies) this.appendCopy(tensor, variable);
    const outputs = [...this.outputs].map(([name, tensor]) => {
      const value = this.valueOf(tensor);
      this.extend(value, this.instructions.length);
      return { name, value };
    });
    return {
      name: this.traced.name,
      buffers: this.buffers,
      values: this.values,
      instructions: this.instructions,
      inputs,
      outputs,
    };
  }

  /** Notes who reads what, and when. @returns the number of instructions. */
  private findUses(): number {
    let at = 0;
    for (const node of this.order) {
      for (const input of node.inputs) this.use(input, at);
      if (!isAlias(node)) at++;
    }
    for (const tensor of this.outputs.values()) this.use(tensor, at);
    for (const { tensor } of this.copies) this.use(tensor, at);
    // What an assignment cannot produce in place is copied at the end: an alias of a value, which must
    // stay as it is until then, or of a variable.
    for (const tensor of this.targets.keys()) {
      if (originOf(tensor) !== tensor || tensor.node.kind === "variable") {
        this.use(tensor, at);
      }
    }
    return at;
  }

  private use(tensor: Tensor, at: number): void {
    const { node } = tensor;
    // Uses come in program order.
    this.lastUse.set(tensor, at);
    if (node.kind === "variable") this.useVariable(node.variable, at);
    // A view is read through: what reads the alias reads what it shows.
    if (node.kind === "op" && isAlias(node)) this.use(node.inputs[0], at);
  }

  private useVariable(variable: Variable, at: number): void {
    const reads = this.variableReads.get(variable.root);
    if (reads) reads.push({ variable, at });
    else this.variableReads.set(variable.root, [{ variable, at }]);
  }

  /** Value number of a tensor that needs no instruction, or whose instruction was placed before. */
  private valueOf(tensor: Tensor): number {
    const { node } = tensor;
    const known = this.placed.get(tensor);
    if (known !== undefined) return known;
    switch (node.kind) {
      case "input": {
        const bytes = bytesOf(tensor.spec);
        return this.record(tensor, this.newBuffer({ kind: "input", bytes, name: node.name }), 0);
      }
      case "constant": {
        let buffer = this.constantBuffers.get(node.data);
        if (buffer === undefined) {
          const bytes = bytesOf(tensor.spec);
          buffer = this.newBuffer({ kind: "constant", bytes, data: node.data });
          this.constantBuffers.set(node.data, buffer);
        }
        return this.record(tensor, buffer, 0);
      }
      case "variable":
        return this.record(tensor, this.variableBuffer(node.variable), node.variable.byteOffset);
      case "op":
        throw new Error(`${node.op.name} used before it was placed`);
    }
  }

  private variableBuffer({ root }: Variable): number {
    let buffer = this.variableBuffers.get(root);
    if (buffer === undefined) {
      buffer = this.newBuffer({ kind: "variable", bytes: bytesOf(root.spec), variable: root });
      this.variableBuffers.set(root, buffer);
    }
    return buffer;
  }

  private newBuffer(buffer: Buffer): number {
    return this.buffers.push(buffer) - 1;
  }

  private record(tensor: Tensor, buffer: number, offset: number): number {
    const value = this.values.push({ spec: tensor.spec, buffer, offset }) - 1;
    this.placed.set(tensor, value);
    return value;
  }

  private placeInstruction(node: OpNode, at: number): void {
    const op = node.op as Op<unknown>;
    const inputs = node.inputs.map((input) => this.valueOf(input));
    for (const input of inputs) this.extend(input, at);
    if (op.alias) {
      const { buffer, offset } = this.values[inputs[0]];
      this.record(node.outputs[0], buffer, offset);
      return;
    }
    const outputs = node.outputs.map((output) => this.placeOutput(node, op, output, at));
    this.instructions.push({ op, attributes: node.attributes, inputs, outputs });
  }

  private placeOutput(node: OpNode, op: Op<unknown>, output: Tensor, at: number): number {
    const replaceable = replaceableBy(output, node, op);
    const target = this.targets.get(output);
    if (target && this.mayWrite(target, node, replaceable, at)) {
      return this.record(output, this.variableBuffer(target), target.byteOffset);
    }
    const taken = replaceable.find((input) => this.mayTakeOver(input, output, node, at));
    if (taken) {
      const { buffer, offset } = this.values[this.valueOf(taken)];
      const value = this.record(output, buffer, offset);
      this.extend(value, Math.max(at + 1, this.endOf(output, at)));
      return value;
    }
    const bytes = bytesOf(output.spec);
    const last = this.endOf(output, at);
    return this.record(output, this.newBuffer({ kind: "temporary", bytes, first: at, last }), 0);
  }

  private endOf(output: Tensor, at: number): number {
    // An assigned tensor that could not be produced in place is copied at the end.
    const end = this.targets.has(output) ? this.end : -1;
    return Math.max(at, this.lastUse.get(output) ?? -1, end);
  }

  /**
   * May this instruction write a variable: does nobody read the old contents any more? It may
   * itself read them through an input that it can replace in place.
   */
  private mayWrite(
    target: Variable,
    node: OpNode,
    replaceable: readonly Tensor[],
    at: number,
  ): boolean {
    const readNow = node.inputs.some((input) => {
      const { node: origin } = originOf(input);
      if (origin.kind !== "variable" || !origin.variable.overlaps(target)) return false;
      const coincide =
        origin.variable.offset === target.offset && input.size === sizeOf(target.spec.shape);
      return !coincide || !replaceable.includes(input);
    });
    if (readNow) return false;
    const reads = this.variableReads.get(target.root) ?? [];
    return !reads.some((read) => read.at > at && read.variable.overlaps(target));
  }

  /** May `output` overwrite the temporary that `taken` lies in? */
  private mayTakeOver(taken: Tensor, output: Tensor, node: OpNode, at: number): boolean {
    const value = this.values[this.valueOf(taken)];
    const buffer = this.buffers[value.buffer];
    if (buffer.kind !== "temporary" || buffer.last > at || this.targets.has(taken)) return false;
    // WebGPU types memory: a kernel has one name for what is read and written in one place.
    if (taken.dtype !== output.dtype || taken.size !== output.size) return false;
    let sharers = 0;
    for (const input of node.inputs) {
      if (this.values[this.valueOf(input)].buffer === value.buffer) sharers++;
    }
    return sharers === 1;
  }

  private extend(value: number, last: number): void {
    const buffer = this.buffers[this.values[value].buffer];
    if (buffer.kind === "temporary") buffer.last = Math.max(buffer.last, last);
  }

  private liesAt(tensor: Tensor, variable: Variable): boolean {
    const { buffer, offset } = this.values[this.valueOf(tensor)];
    return this.variableBuffers.get(variable.root) === buffer && offset === variable.byteOffset;
  }

  private appendCopy(tensor: Tensor, variable: Variable): void {
    const source = this.valueOf(tensor);
    this.extend(source, this.instructions.length);
    const buffer = this.variableBuffer(variable);
    if (this.values[source].buffer === buffer || this.copyTargets.has(this.values[source].buffer)) {
      throw new Error(
        `assign: ${variable.name} takes the old value of a variable that is assigned too`,
      );
    }
    this.copyTargets.add(buffer);
    const target = this.values.push({ spec: tensor.spec, buffer, offset: variable.byteOffset }) - 1;
    const op = copy as Op<unknown>;
    this.instructions.push({ op, attributes: {}, inputs: [source], outputs: [target] });
  }
}

/** Inputs whose memory an output may take over, as far as the op goes. */
function replaceableBy(
  output: Tensor,
  node: OpNode,
  { inPlace = [] }: Op<unknown>,
): readonly Tensor[] {
  const inputs: Tensor[] = [];
  for (const [from, to] of inPlace) if (from === output.index) inputs.push(node.inputs[to]);
  return inputs;
}

/** What a chain of aliases shows. */
function originOf(tensor: Tensor): Tensor {
  let origin = tensor;
  while (origin.node.kind === "op" && isAlias(origin.node)) origin = origin.node.inputs[0];
  return origin;
}

const isAlias = (node: OpNode): boolean => (node.op as Op<unknown>).alias === true;
