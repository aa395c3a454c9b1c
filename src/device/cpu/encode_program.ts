// Turns a placed program into the words that the threads read.
import type { CpuArgument, CpuDispatch, CpuFacts } from "../../../kernels/op.ts";
import type { Program } from "../program.ts";
import { encode, encodeHeader, type Packed, type Scratch } from "./commands.ts";
import type { WeightPlace } from "./packed_weights.ts";

export interface EncodedWords {
  readonly words: Int32Array;
  /** Instruction number of each command. */
  readonly owners: readonly number[];
}

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

export function encodeProgram(
  program: Program,
  kernels: ReadonlyMap<string, number>,
  facts: CpuFacts,
  { locate, packed, allocate, scratch }: Places,
): EncodedWords {
  const words: number[] = [];
  const owners: number[] = [];
  const pool = new SharedPool(allocate);
  let scratchBytes = 0;
  const addressOf = (value: number): number => {
    const { buffer, offset } = program.values[value];
    return locate(buffer) + offset;
  };
  for (const [number, { op, attributes, inputs, outputs }] of program.instructions.entries()) {
    const spec = {
      attributes,
      inputs: inputs.map((value) => program.values[value].spec),
      outputs: outputs.map((value) => program.values[value].spec),
    };
    pool.startOp();
    const place = (argument: CpuArgument): number => {
      if ("input" in argument) return addressOf(inputs[argument.input]);
      if ("output" in argument) return addressOf(outputs[argument.output]);
      if ("shared" in argument) return pool.addressOf(argument.shared, argument.bytes);
      throw new Error(`cpu: ${op.name}: ${JSON.stringify(argument)} is not in memory`);
    };
    const inPanels: Packed = (argument, weight) => {
      if (!("input" in argument)) return undefined;
      const { buffer, offset } = program.values[inputs[argument.input]];
      return packed(buffer, offset, weight);
    };
    const dispatches = op.cpu(spec, facts);
    const list: readonly CpuDispatch[] = Array.isArray(dispatches) ? dispatches : [dispatches];
    for (const dispatch of list) {
      if (isIdle(dispatch, place)) continue;
      encode(words, dispatch, kernels, place, inPanels);
      scratchBytes = Math.max(scratchBytes, scratchOf(dispatch));
      owners.push(number);
    }
  }
  const header = encodeHeader(scratch(scratchBytes));
  return { words: Int32Array.from([...header, ...words]), owners };
}

/** Does it copy something to where it already lies? */
function isIdle(dispatch: CpuDispatch, place: (argument: CpuArgument) => number): boolean {
  if ("sgemm" in dispatch || !dispatch.copies) return false;
  const [from, to] = dispatch.arguments;
  return place(from) === place(to);
}

/** Bytes that each thread wants for itself. */
function scratchOf(dispatch: CpuDispatch): number {
  if ("sgemm" in dispatch) return 0;
  const wishes = dispatch.arguments.map((each) => ("scratch" in each ? each.scratch : 0));
  return Math.max(0, ...wishes);
}

/** Memory for what dispatches of one op share. Ops run one after another, so all ops reuse it. */
class SharedPool {
  private readonly blocks: { address: number; bytes: number; taken: boolean }[] = [];
  private named = new Map<string, number>();

  constructor(private readonly allocate: (bytes: number) => number) {}

  startOp(): void {
    this.named = new Map();
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
