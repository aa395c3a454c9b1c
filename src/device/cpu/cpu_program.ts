// A program made ready for the threads: inputs and constants in memory, commands encoded. What moved or
// was freed since then is noticed at the next run, and the commands are encoded again.
import { formatShape, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import type { Pending, PreparedProgram, Span, Watch } from "../device.ts";
import type { Buffer, HostArray, Program } from "../program.ts";
import { pack } from "./arena.ts";
import type { CpuDevice, EncodedProgram } from "./cpu_device.ts";
import { finalElements } from "./final_elements.ts";
import type { OnCommand } from "./team.ts";

export class CpuProgram implements PreparedProgram {
  readonly bytes: number;
  private readonly offsets: readonly number[];
  /** Addresses of inputs, by buffer number. */
  private readonly inputAddresses = new Map<number, number>();
  private readonly constants: HostArray[] = [];
  /** Where the variables lay when the commands were encoded. */
  private readonly variableAddresses = new Map<Variable, number>();
  private encoded: EncodedProgram | undefined;
  private memoryVersion = -1;
  private released = false;

  constructor(
    private readonly device: CpuDevice,
    private readonly program: Program,
  ) {
    const lifetimes = program.buffers.map((buffer) =>
      buffer.kind === "temporary" ? buffer : { bytes: 0, first: 0, last: -1 },
    );
    const packing = pack(lifetimes);
    this.bytes = packing.bytes;
    this.offsets = packing.offsets;
    try {
      for (const [number, buffer] of program.buffers.entries()) {
        if (buffer.kind === "input") this.inputAddresses.set(number, device.allocate(buffer.bytes));
        if (buffer.kind !== "constant") continue;
        device.constant(buffer.data);
        this.constants.push(buffer.data);
      }
      this.encode();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  run(inputs: readonly HostArray[], spans?: Span[], watch?: Watch): readonly Pending[] {
    const { program, device } = this;
    if (this.released) throw new Error(`cpu: ${program.name} runs after its release`);
    const encoded = this.isCurrent() && this.encoded ? this.encoded : this.encode();
    for (const [index, { value }] of program.inputs.entries())
      this.arrayOf(value).set(inputs[index]);
    if (spans) this.runTimed(encoded, spans);
    else device.execute(encoded, watch && this.watching(encoded, watch));
    return program.outputs.map(({ value }) => {
      const copy = this.arrayOf(value).slice();
      return { read: async () => copy };
    });
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.discard();
    for (const address of this.inputAddresses.values()) this.device.release(address);
    for (const data of this.constants) this.device.releaseConstant(data);
  }

  /** Whether everything still lies where the commands look for it. */
  private isCurrent(): boolean {
    if (this.device.memoryVersion !== this.memoryVersion) return false;
    for (const [root, address] of this.variableAddresses) {
      if (this.device.storageOf(root) !== address) return false;
    }
    return true;
  }

  private encode(): EncodedProgram {
    this.discard();
    this.device.arena.reserve(this.bytes);
    const encoded = this.device.encode(this.program, (buffer) => this.addressOf(buffer));
    this.memoryVersion = this.device.memoryVersion;
    this.encoded = encoded;
    for (const buffer of this.program.buffers) {
      if (buffer.kind !== "variable") continue;
      this.variableAddresses.set(buffer.variable, this.device.addressOf(buffer.variable));
    }
    return encoded;
  }

  private discard(): void {
    if (!this.encoded) return;
    this.device.discard(this.encoded);
    this.encoded = undefined;
  }

  private addressOf(number: number): number {
    const buffer: Buffer = this.program.buffers[number];
    switch (buffer.kind) {
      case "temporary":
        return this.device.arena.address + this.offsets[number];
      case "input":
        return this.inputAddresses.get(number) ?? 0;
      case "constant":
        return this.device.addressOfConstant(buffer.data);
      case "variable":
        return this.device.addressOf(buffer.variable);
    }
  }

  private arrayOf(index: number): HostArray {
    const { spec, buffer, offset } = this.program.values[index];
    const length = sizeOf(spec.shape);
    return this.device.array(this.addressOf(buffer) + offset, length, spec.dtype === "i32");
  }

  /** Tells the watch, as commands go by, how much is final. */
  private watching({ owners }: EncodedProgram, { variables, final }: Watch): OnCommand {
    const finality = finalElements(this.program, variables);
    let told = 0;
    return (index, follows) => {
      const elements = finality[owners[index]];
      if (follows || elements <= told) return;
      told = elements;
      final(elements);
    };
  }

  private runTimed(encoded: EncodedProgram, spans: Span[]): void {
    const times: number[] = [];
    this.device.execute(encoded, () => times.push(performance.now()));
    times.push(performance.now());
    const { instructions, values } = this.program;
    for (const [index, owner] of encoded.owners.entries()) {
      const { op, inputs, outputs } = instructions[owner];
      const shapes = (list: readonly number[]) =>
        list.map((value) => formatShape(values[value].spec.shape)).join(" ");
      spans.push({
        name: op.name,
        start: times[index] * 1000,
        duration: (times[index + 1] - times[index]) * 1000,
        detail: `${shapes(inputs)} -> ${shapes(outputs)}`,
      });
    }
  }
}
