// Turns a placed program into steps whose memory is known by place and offset. No GPU object is
// touched: the same plan is bound again when the shared block of temporaries moves.
import type { GpuBinding, GpuDispatch, GpuFacts } from "../../../kernels/op.ts";
import { bytesOf, formatShape } from "../../tensor/shape.ts";
import { type Lifetime, pack } from "../cpu/arena.ts";
import type { Instruction, Program } from "../program.ts";
import { bindRanges, needsCopy, type Range } from "./bind_ranges.ts";
import { withHalfStorage } from "./half_storage.ts";
import type { KernelChoices } from "./kernel_choices.ts";
import { mergeBindings } from "./merge_bindings.ts";

/** Places that are not a variable. A variable's place is the number of its buffer in the program. */
export const ARENA = -1;
export const INPUTS = -2;
export const CONSTANTS = -3;
/** Aligned stand-ins for operands that cannot be bound where they lie. */
export const STAND_INS = -4;

/** Offsets of bindings are multiples of this on every adapter. */
const ALIGNMENT = 256;

export interface CopyStep {
  readonly kind: "copy";
  readonly source: Range;
  readonly target: Range;
}

export interface DispatchStep {
  readonly kind: "dispatch";
  /** Op and shapes, for messages and profiles. */
  readonly name: string;
  readonly detail: string;
  readonly code: string;
  /** By binding number; undefined where the text has no such binding. */
  readonly bound: readonly (Range | undefined)[];
  /** Offset and size of its static numbers in `Plan.params`. */
  readonly params?: { readonly offset: number; readonly size: number };
  readonly workgroups: readonly [number, number, number];
}

export type Step = CopyStep | DispatchStep;

export interface Plan {
  readonly steps: readonly Step[];
  /** Where each value of the program lies. */
  readonly ranges: readonly Range[];
  /** Bytes of each place that this program owns or shares. */
  readonly arenaBytes: number;
  readonly inputBytes: number;
  readonly constantBytes: number;
  readonly standInBytes: number;
  /** Contents of the uniform buffer; empty when no kernel has static numbers. */
  readonly params: Uint8Array<ArrayBuffer>;
  /** Whether kernels serve that a measurement may replace. */
  readonly isOpen: boolean;
}

/** @param alignment the adapter's minStorageBufferOffsetAlignment. */
export function planProgram(
  program: Program,
  facts: GpuFacts,
  alignment: number,
  choices: KernelChoices,
): Plan {
  return new Planner(program, facts, alignment, choices).plan();
}

const align = (bytes: number): number => Math.max(Math.ceil(bytes / ALIGNMENT), 1) * ALIGNMENT;

class Planner {
  /** Temporaries by buffer number, then what dispatches of one instruction share. */
  private readonly lifetimes: Lifetime[] = [];
  private readonly lifetimeOf = new Map<number, number>();
  private readonly sharedLifetime = new Map<string, number>();
  private readonly fixedOffset = new Map<number, number>();
  private readonly steps: Step[] = [];
  private readonly paramWords: Uint32Array[] = [];
  private arenaOffsets: readonly number[] = [];
  private paramBytes = 0;
  private inputBytes = 0;
  private constantBytes = 0;
  private standInBytes = 0;
  private isOpen = false;

  constructor(
    private readonly program: Program,
    private readonly facts: GpuFacts,
    private readonly alignment: number,
    private readonly choices: KernelChoices,
  ) {}

  plan(): Plan {
    this.layOutBuffers();
    const chosen = this.program.instructions.map((instruction, at) => this.choose(instruction, at));
    const packing = pack(this.lifetimes);
    this.arenaOffsets = packing.offsets;
    const ranges = this.program.values.map((_, value) => this.rangeOf(value));
    for (const [at, dispatches] of chosen.entries()) this.addInstruction(at, dispatches, ranges);
    return {
      steps: this.steps,
      ranges,
      arenaBytes: packing.bytes,
      inputBytes: this.inputBytes,
      constantBytes: this.constantBytes,
      standInBytes: this.standInBytes,
      params: this.packParams(),
      isOpen: this.isOpen,
    };
  }

  private layOutBuffers(): void {
    for (const [number, buffer] of this.program.buffers.entries()) {
      const bytes = align(buffer.bytes);
      if (buffer.kind === "temporary") {
        this.lifetimeOf.set(number, this.lifetimes.push({ ...buffer, bytes }) - 1);
      } else if (buffer.kind === "input") {
        this.fixedOffset.set(number, this.inputBytes);
        this.inputBytes += bytes;
      } else if (buffer.kind === "constant") {
        this.fixedOffset.set(number, this.constantBytes);
        this.constantBytes += bytes;
      }
    }
  }

  /** Asks the op for its kernels and reserves the memory that they share. */
  private choose(
    { op, attributes, inputs, outputs }: Instruction,
    at: number,
  ): readonly GpuDispatch[] {
    const spec = {
      attributes,
      inputs: inputs.map((value) => this.program.values[value].spec),
      outputs: outputs.map((value) => this.program.values[value].spec),
    };
    if (spec.outputs.every((output) => bytesOf(output) === 0)) return [];
    const answer = op.webgpu(spec, this.facts);
    const { dispatches, isOpen } = this.choices.dispatches(op.name, answer, spec);
    this.isOpen ||= isOpen;
    for (const { bindings } of dispatches) {
      for (const binding of bindings) {
        if (!("shared" in binding)) continue;
        const key = `${at} ${binding.shared}`;
        if (this.sharedLifetime.has(key)) continue;
        const lifetime = { bytes: align(binding.bytes), first: at, last: at };
        this.sharedLifetime.set(key, this.lifetimes.push(lifetime) - 1);
      }
    }
    return dispatches;
  }

  private rangeOf(value: number): Range {
    const { spec, buffer, offset } = this.program.values[value];
    // A binding may not be empty; every place has room for one vec4 more.
    const size = bytesOf(spec) || 16;
    switch (this.program.buffers[buffer].kind) {
      case "temporary":
        return { place: ARENA, offset: this.arenaOffset(this.lifetimeOf, buffer) + offset, size };
      case "input":
        return { place: INPUTS, offset: (this.fixedOffset.get(buffer) ?? 0) + offset, size };
      case "constant":
        return { place: CONSTANTS, offset: (this.fixedOffset.get(buffer) ?? 0) + offset, size };
      case "variable":
        return { place: buffer, offset, size };
    }
  }

  private arenaOffset<Key>(lifetimes: ReadonlyMap<Key, number>, key: Key): number {
    return this.arenaOffsets[lifetimes.get(key) ?? 0];
  }

  private addInstruction(
    at: number,
    dispatches: readonly GpuDispatch[],
    ranges: readonly Range[],
  ): void {
    if (dispatches.length === 0) return;
    const { op, inputs, outputs } = this.program.instructions[at];
    const values = [...inputs, ...outputs];
    const own = values.map((value) => ranges[value]);
    const standIns = this.placeStandIns(own);
    const operands = own.map((range) => standIns.get(key(range)) ?? range);
    const copied = (list: readonly Range[]) =>
      list.flatMap((range) => {
        const standIn = standIns.get(key(range));
        return standIn ? [{ range, standIn }] : [];
      });
    for (const { range, standIn } of copied(own.slice(0, inputs.length))) {
      this.steps.push({ kind: "copy", source: range, target: standIn });
    }
    const locate = (binding: GpuBinding): Range => {
      if ("input" in binding) return operands[binding.input];
      if ("output" in binding) return operands[inputs.length + binding.output];
      const offset = this.arenaOffset(this.sharedLifetime, `${at} ${binding.shared}`);
      return { place: ARENA, offset, size: binding.bytes };
    };
    const detail = this.shapes(inputs, outputs);
    const isHalf = (binding: GpuBinding): boolean =>
      !("shared" in binding) &&
      this.program.values["input" in binding ? inputs[binding.input] : outputs[binding.output]].spec
        .dtype === "f16";
    for (const dispatch of dispatches) this.addDispatch(op.name, detail, dispatch, locate, isHalf);
    for (const { range, standIn } of copied(own.slice(inputs.length))) {
      this.steps.push({ kind: "copy", source: standIn, target: range });
    }
  }

  /** Stand-ins for operands that cannot be bound where they lie, by place and offset. */
  private placeStandIns(ranges: readonly Range[]): Map<string, Range> {
    const standIns = new Map<string, Range>();
    let end = 0;
    for (const [i, needed] of needsCopy(ranges, this.alignment).entries()) {
      const range = ranges[i];
      if (!needed || standIns.has(key(range))) continue;
      standIns.set(key(range), { place: STAND_INS, offset: end, size: range.size });
      end += align(range.size);
    }
    this.standInBytes = Math.max(this.standInBytes, end);
    return standIns;
  }

  private addDispatch(
    name: string,
    detail: string,
    { code, bindings, params, workgroups, copies }: GpuDispatch,
    locate: (binding: GpuBinding) => Range,
    isHalf: (binding: GpuBinding) => boolean,
  ): void {
    const { bound, same } = bindRanges(name, bindings.map(locate));
    if (copies && same.size > 0) return;
    const merged = same.size === 0 ? code : mergeBindings(name, code, same);
    const halves = bindings.flatMap((binding, number) => (isHalf(binding) ? [number] : []));
    this.steps.push({
      kind: "dispatch",
      name,
      detail,
      code: withHalfStorage(name, merged, halves, this.facts.f16),
      bound,
      params: params && this.addParams(params),
      workgroups,
    });
  }

  private addParams(words: Uint32Array): { offset: number; size: number } {
    const offset = this.paramBytes;
    this.paramWords.push(words);
    this.paramBytes += align(words.byteLength);
    return { offset, size: Math.ceil(words.byteLength / 16) * 16 };
  }

  private packParams(): Uint8Array<ArrayBuffer> {
    const words = new Uint32Array(this.paramBytes / 4);
    let offset = 0;
    for (const some of this.paramWords) {
      words.set(some, offset / 4);
      offset += align(some.byteLength);
    }
    return new Uint8Array(words.buffer);
  }

  private shapes(inputs: readonly number[], outputs: readonly number[]): string {
    const list = (values: readonly number[]) =>
      values.map((value) => formatShape(this.program.values[value].spec.shape)).join(" ");
    return `${list(inputs)} -> ${list(outputs)}`;
  }
}

const key = ({ place, offset, size }: Range): string => `${place} ${offset} ${size}`;
