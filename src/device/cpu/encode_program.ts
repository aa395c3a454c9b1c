// Turns a placed program into the words that the threads read.
import type { CpuArgument, CpuDispatch, CpuFacts, KernelDispatch } from "../../../kernels/op.ts";
import { bytesOf, type TensorSpec } from "../../tensor/shape.ts";
import type { Program } from "../program.ts";
import { beginList, encode, encodeHeader, type Packed, type Scratch } from "./commands.ts";
import { Hazards } from "./hazards.ts";
import type { WeightPlace } from "./packed_weights.ts";
import type { Words } from "./words.ts";

/** Where what a program touches lies. */
export interface Places {
  /** Address of a buffer by number. */
  locate(buffer: number): number;
  /** Address of a frozen weight in panels, if products gain by that. */
  packed(buffer: number, offset: number, weight: Omit<WeightPlace, "address">): number | undefined;
  /** Memory for what an op's dispatches share. */
  allocate(bytes: number): number;
  /** At least this many bytes for every thread alone. */
  scratch(bytes: number): Scratch;
}

/**
 * Writes a program to `words`, in place of what they held.
 *
 * @returns the instruction number of each command.
 */
export function encodeProgram(
  words: Words,
  program: Program,
  kernels: ReadonlyMap<string, number>,
  facts: CpuFacts,
  { locate, packed, allocate, scratch }: Places,
): number[] {
  beginList(words);
  const owners: number[] = [];
  const pool = new SharedPool(allocate);
  const hazards = new Hazards();
  const { values, instructions } = program;
  const specOf = (value: number): TensorSpec => values[value].spec;
  let inputs: readonly number[] = [];
  let outputs: readonly number[] = [];
  let scratchBytes = 0;
  const addressOf = (value: number): number => locate(values[value].buffer) + values[value].offset;
  const place = (argument: CpuArgument): number => {
    if (typeof argument === "number") throw new Error(`cpu: ${argument} is a number, no operand`);
    if ("input" in argument) return addressOf(inputs[argument.input]);
    if ("output" in argument) return addressOf(outputs[argument.output]);
    if ("shared" in argument) return pool.addressOf(argument.shared, argument.bytes);
    throw new Error(`cpu: ${JSON.stringify(argument)} is not in memory`);
  };
  /** Tells what a command reads and overwrites; memory that dispatches share may be both. */
  const touch = (argument: CpuArgument): void => {
    if (typeof argument === "number") return;
    if ("input" in argument) {
      hazards.reading(place(argument), bytesOf(specOf(inputs[argument.input])));
    } else if ("output" in argument) {
      hazards.writing(place(argument), bytesOf(specOf(outputs[argument.output])));
    } else if ("shared" in argument) hazards.writing(place(argument), argument.bytes);
  };
  const inPanels: Packed = (argument, weight) => {
    if (typeof argument === "number" || !("input" in argument)) return undefined;
    const { buffer, offset } = values[inputs[argument.input]];
    return packed(buffer, offset, weight);
  };
  const append = (dispatch: CpuDispatch, owner: number): void => {
    if (isIdle(dispatch, place)) return;
    const operands =
      "sgemm" in dispatch ? [dispatch.a, dispatch.b, dispatch.c] : dispatch.arguments;
    for (const operand of operands) touch(operand);
    const follows = hazards.follows(dispatch.follows ?? false);
    encode(words, dispatch, follows, kernels, place, inPanels);
    scratchBytes = Math.max(scratchBytes, scratchOf(dispatch));
    owners.push(owner);
  };
  for (let number = 0; number < instructions.length; number++) {
    const { op, attributes } = instructions[number];
    ({ inputs, outputs } = instructions[number]);
    const spec = { attributes, inputs: inputs.map(specOf), outputs: outputs.map(specOf) };
    pool.startOp();
    const dispatches = op.cpu(spec, facts);
    if (isList(dispatches)) for (const dispatch of dispatches) append(dispatch, number);
    else append(dispatches, number);
  }
  encodeHeader(words, scratch(scratchBytes));
  return owners;
}

/** Writes a kernel's call to `words` whose only operand is output 0. */
export function encodeDispatch(
  words: Words,
  dispatch: KernelDispatch,
  kernels: ReadonlyMap<string, number>,
  address: number,
  scratch: Places["scratch"],
): void {
  beginList(words);
  encode(
    words,
    dispatch,
    false,
    kernels,
    () => address,
    () => undefined,
  );
  encodeHeader(words, scratch(scratchOf(dispatch)));
}

const isList = (answer: CpuDispatch | readonly CpuDispatch[]): answer is readonly CpuDispatch[] =>
  Array.isArray(answer);

/** Does it copy something to where it already lies? */
function isIdle(dispatch: CpuDispatch, place: (argument: CpuArgument) => number): boolean {
  if ("sgemm" in dispatch || !dispatch.copies) return false;
  const [from, to] = dispatch.arguments;
  return place(from) === place(to);
}

/** Bytes that each thread wants for itself. */
function scratchOf(dispatch: CpuDispatch): number {
  if ("sgemm" in dispatch) return 0;
  let most = 0;
  for (const argument of dispatch.arguments) {
    if (typeof argument === "object" && "scratch" in argument) {
      most = Math.max(most, argument.scratch);
    }
  }
  return most;
}

/** Memory for what dispatches of one op share. Ops run one after another, so all ops reuse it. */
class SharedPool {
  private readonly blocks: { address: number; bytes: number; taken: boolean }[] = [];
  private readonly named = new Map<string, number>();

  constructor(private readonly allocate: (bytes: number) => number) {}

  startOp(): void {
    if (this.named.size === 0) return;
    this.named.clear();
    for (const block of this.blocks) block.taken = false;
  }

  addressOf(name: string, bytes: number): number {
    const known = this.named.get(name);
    if (known !== undefined) return known;
    let block = this.blocks.find((candidate) => !candidate.taken && candidate.bytes >= bytes);
    if (!block) {
      block = { address: this.allocate(bytes), bytes, taken: true };
      this.blocks.push(block);
    }
    block.taken = true;
    this.named.set(name, block.address);
    return block.address;
  }
}
