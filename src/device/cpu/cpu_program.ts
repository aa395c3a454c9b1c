// A program made ready for the threads: inputs and constants in memory, commands encoded. What moved or
// was freed since then is noticed at the next run, and the commands are encoded again.
import { formatShape, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import type { Pending, PreparedProgram, Watch } from "../device.ts";
import type { Buffer, HostArray, Program } from "../program.ts";
import { type Span, timed } from "../spans.ts";
import { pack } from "./arena.ts";
import type { CpuDevice, EncodedProgram } from "./cpu_device.ts";
import { finalElements } from "./final_elements.ts";
import type { CommandWatch } from "./team.ts";

/** The calling thread is done with its share of a command, and others are not. */
const WAIT_FOR_THREADS = "wait for threads";

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
    if (program.values.some(({ spec }) => spec.dtype === "f16")) {
      throw new Error(`cpu: ${program.name} holds f16 tensors: only the webgpu device has them`);
    }
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
    const encoded =
      this.isCurrent() && this.encoded
        ? this.encoded
        : timed(spans, "encode again", () => this.encode());
    timed(spans, "copy inputs", () => {
      for (const [index, { value }] of program.inputs.entries()) {
        this.arrayOf(value).set(inputs[index]);
      }
    });
    const told = watch && this.watching(encoded, watch);
    if (spans) this.runTimed(encoded, spans, told);
    else device.execute(encoded, told);
    return timed(spans, "copy results", () =>
      program.outputs.map(({ value }) => {
        const copy = this.arrayOf(value).slice();
        return { read: async () => copy };
      }),
    );
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
  private watching({ owners }: EncodedProgram, { variables, final }: Watch): CommandWatch {
    const finality = finalElements(this.program, variables);
    let told = 0;
    return {
      before(index, follows) {
        const elements = finality[owners[index]];
        if (follows || elements <= told) return;
        told = elements;
        final(elements);
      },
    };
  }

  /** A span for each command, and one for the wait at the barrier behind it. */
  private runTimed(encoded: EncodedProgram, spans: Span[], watch?: CommandWatch): void {
    const begun: number[] = [];
    const done: number[] = [];
    this.device.execute(encoded, {
      before(index, follows) {
        watch?.before(index, follows);
        begun.push(performance.now() * 1000);
      },
      after: () => done.push(performance.now() * 1000),
    });
    begun.push(performance.now() * 1000);
    timed(spans, "profile", () => this.tell(encoded, begun, done, spans));
  }

  private tell(
    encoded: EncodedProgram,
    begun: readonly number[],
    done: readonly number[],
    spans: Span[],
  ): void {
    const { instructions, values } = this.program;
    const shapes = (list: readonly number[]) =>
      list.map((value) => formatShape(values[value].spec.shape)).join(" ");
    for (const [index, owner] of encoded.owners.entries()) {
      const { op, inputs, outputs } = instructions[owner];
      const [start, end] = [begun[index], done[index]];
      const detail = `${shapes(inputs)} -> ${shapes(outputs)}`;
      spans.push({ name: op.name, start, duration: end - start, detail, kind: "op" });
      const duration = begun[index + 1] - end;
      spans.push({ name: WAIT_FOR_THREADS, start: end, duration, detail: op.name, kind: "host" });
    }
  }
}
