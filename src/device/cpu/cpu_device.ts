// The device that is always there: WASM SIMD kernels on shared memory, one thread per core, matrix
// products by the system's BLAS when there is one. Equal inputs and threads give equal bits.
import { availableParallelism } from "node:os";
import process from "node:process";
import { UserError } from "../../config/user_error.ts";
import { BYTES_PER_ELEMENT, bytesOf, formatShape, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import { workerUrl } from "../../workers.ts";
import type { Device, DeviceMemory, Pending, PreparedProgram, Span } from "../device.ts";
import type { Buffer, HostArray, Program } from "../program.ts";
import { pack } from "./arena.ts";
import { advance, CONTROL, CONTROL_BYTES } from "./barrier.ts";
import { type Blas, type NoBlas, openBlas } from "./blas.ts";
import { encodeProgram } from "./encode_program.ts";
import { Heap } from "./heap.ts";
import { readKernels } from "./kernels_file.ts";
import { openThread, runProgram, type Thread, type ThreadSetup } from "./team.ts";

const PAGE = 65536;
const MAXIMUM_PAGES = 65536; // 4 GiB, all that 32-bit addresses reach
const SCRATCH_BYTES = 16 * 2 ** 20;

export interface CpuOptions {
  /** Default: the cores this process may use. */
  readonly threads?: number;
  /** Path of a BLAS library, or "none"; default: WEFT_BLAS, else the usual places. */
  readonly blas?: string;
}

/** Starts the threads and finds a BLAS. */
export async function openCpuDevice(options: CpuOptions = {}): Promise<CpuDevice> {
  const threads = options.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1) {
    throw new UserError({
      place: "--threads",
      problem: `${threads} is not a number of threads`,
      remedy: "give a whole number from 1 up",
    });
  }
  const wasm = await readKernels();
  const memory = new WebAssembly.Memory({
    initial: 64,
    maximum: MAXIMUM_PAGES,
    shared: true,
  });
  const grow = (end: number): void => {
    const missing = Math.ceil(end / PAGE) - memory.buffer.byteLength / PAGE;
    if (missing > 0) memory.grow(missing);
  };
  // The first page stays empty: address 0 means "no such operand" to kernels.
  const heap = new Heap(PAGE, MAXIMUM_PAGES * PAGE - PAGE, grow);
  const control = heap.allocate(CONTROL_BYTES);
  const blas = await findBlas(options.blas, memory);
  const setups = Array.from({ length: threads }, (_, thread): ThreadSetup => {
    const scratch = heap.allocate(SCRATCH_BYTES);
    const description = "reason" in blas ? undefined : blas.description;
    return {
      thread,
      threads,
      memory,
      wasm,
      control,
      scratch,
      scratchBytes: SCRATCH_BYTES,
      blas: description,
    };
  });
  const workers = await Promise.all(setups.slice(1).map(startWorker));
  return new CpuDevice(await openThread(setups[0]), workers, memory, heap, blas);
}

/** A library that was asked for must serve; one that was looked for may be absent. */
async function findBlas(named: string | undefined, memory: WebAssembly.Memory) {
  const library = named ?? process.env.WEFT_BLAS;
  const blas = await openBlas({ library }, memory);
  if ("reason" in blas && library && library !== "none") {
    throw new UserError({
      place: named === undefined ? "WEFT_BLAS" : "--blas",
      problem: blas.reason,
      remedy: "name another library, or none for the built-in products",
    });
  }
  return blas;
}

function startWorker(setup: ThreadSetup): Promise<Worker> {
  const worker = new Worker(workerUrl("src/device/cpu/worker.ts"), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<{ ready: true } | { error: string }>) => {
      if ("error" in data) reject(new Error(`cpu: thread ${setup.thread}: ${data.error}`));
      else resolve(worker);
    };
    worker.onerror = (event) => reject(new Error(`cpu: thread ${setup.thread}: ${event.message}`));
    worker.postMessage(setup);
    // A sleeping thread must not keep the process alive.
    if ("unref" in worker && typeof worker.unref === "function") worker.unref();
  });
}

export class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly description: string;
  readonly widthMultiple = 1;
  private readonly kernels: ReadonlyMap<string, number>;
  private readonly storage = new Map<Variable, number>();
  private readonly constants = new Map<HostArray, { address: number; users: number }>();
  private arena = { address: 0, bytes: 0 };
  private version = 0;
  private variableBytes = 0;
  private programs = 0;
  private lost: string | undefined;

  constructor(
    private readonly main: Thread,
    private readonly workers: readonly Worker[],
    private readonly wasmMemory: WebAssembly.Memory,
    private readonly heap: Heap,
    readonly blas: Blas | NoBlas,
  ) {
    this.kernels = new Map(main.kernelNames.map((name, number) => [name, number]));
    const { threads } = main.context;
    const products =
      "reason" in blas ? `WASM SIMD (no BLAS: ${blas.reason})` : `${blas.name} (${blas.path})`;
    this.description = `cpu: ${threads} ${threads === 1 ? "thread" : "threads"}, products by ${products}`;
  }

  get threads(): number {
    return this.main.context.threads;
  }

  prepare(program: Program): PreparedProgram {
    return new CpuProgram(this, program);
  }

  write(variable: Variable, data: HostArray): void {
    const target = this.view(variable);
    if (data.length !== target.length || data.constructor !== target.constructor) {
      throw new TypeError(
        `write: ${variable.name} holds ${target.length} ${variable.spec.dtype}, got ${data.length}`,
      );
    }
    target.set(data);
  }

  async read(variable: Variable): Promise<HostArray> {
    return this.view(variable).slice();
  }

  free(variable: Variable): void {
    const address = this.storage.get(variable.root);
    if (address === undefined) return;
    this.heap.release(address);
    this.variableBytes -= bytesOf(variable.root.spec);
    this.storage.delete(variable.root);
  }

  memory(): DeviceMemory {
    return {
      variables: this.variableBytes,
      temporaries: this.arena.bytes,
      limit: this.heap.limit,
    };
  }

  async close(): Promise<void> {
    this.lost ??= "cpu: the device is closed";
    Atomics.store(this.main.control, CONTROL.shutdown, 1);
    advance(this.main.control, CONTROL.generation);
    for (const worker of this.workers) worker.terminate();
  }

  // ---- for CpuProgram ----

  /** Address of a variable's root, allocated and zeroed when first met. */
  addressOf(variable: Variable): number {
    const { root } = variable;
    let address = this.storage.get(root);
    if (address === undefined) {
      const bytes = bytesOf(root.spec);
      address = this.heap.allocate(bytes);
      new Uint8Array(this.wasmMemory.buffer, address, bytes).fill(0);
      this.storage.set(root, address);
      this.variableBytes += bytes;
    }
    return address;
  }

  allocate(bytes: number): number {
    return this.heap.allocate(bytes);
  }

  release(address: number): void {
    this.heap.release(address);
  }

  /** Address of fixed data, uploaded once however many programs use it. */
  constant(data: HostArray): number {
    let known = this.constants.get(data);
    if (!known) {
      known = { address: this.heap.allocate(data.byteLength), users: 0 };
      this.array(known.address, data.length, data instanceof Int32Array).set(data);
      this.constants.set(data, known);
    }
    known.users++;
    return known.address;
  }

  releaseConstant(data: HostArray): void {
    const known = this.constants.get(data);
    if (!known || --known.users > 0) return;
    this.heap.release(known.address);
    this.constants.delete(data);
  }

  /**
   * All programs share one block for their temporaries, since only one runs at a time. It grows when
   * a larger program comes; programs encoded before notice by its version and encode again.
   */
  arenaOf(bytes: number): { address: number; version: number } {
    if (bytes > this.arena.bytes) {
      if (this.arena.bytes > 0) this.heap.release(this.arena.address);
      this.arena = { address: 0, bytes: 0 };
      this.arena = { address: this.heap.allocate(bytes), bytes };
      this.version++;
    }
    return { address: this.arena.address, version: this.version };
  }

  get arenaVersion(): number {
    return this.version;
  }

  array(address: number, length: number, integers: boolean): HostArray {
    const { buffer } = this.wasmMemory;
    return integers
      ? new Int32Array(buffer, address, length)
      : new Float32Array(buffer, address, length);
  }

  encodeInto(program: Program, locate: (buffer: number) => number): EncodedProgram {
    const facts = { threads: this.threads, blas: !("reason" in this.blas) };
    const { words, owners, shared } = encodeProgram(program, this.kernels, facts, locate, (bytes) =>
      this.heap.allocate(bytes),
    );
    const address = this.heap.allocate(words.length * BYTES_PER_ELEMENT);
    new Int32Array(this.wasmMemory.buffer, address, words.length).set(words);
    return { address, words: words.length, version: ++this.programs, owners, shared };
  }

  execute(encoded: EncodedProgram, onCommand?: (index: number) => void): void {
    if (this.lost) throw new Error(this.lost);
    const { control } = this.main;
    control[CONTROL.address] = encoded.address;
    control[CONTROL.words] = encoded.words;
    control[CONTROL.version] = encoded.version;
    advance(control, CONTROL.generation);
    try {
      runProgram(this.main, onCommand);
    } catch (error) {
      this.lost = "cpu: an earlier program failed, the threads are out of step";
      throw error;
    }
    const failed = Atomics.load(control, CONTROL.failed);
    if (failed > 0) {
      this.lost = `cpu: a kernel failed on thread ${failed - 1}`;
      throw new Error(this.lost);
    }
  }

  private view(variable: Variable): HostArray {
    const address = this.addressOf(variable) + variable.offset * BYTES_PER_ELEMENT;
    return this.array(address, sizeOf(variable.spec.shape), variable.spec.dtype === "i32");
  }
}

interface EncodedProgram {
  readonly address: number;
  readonly words: number;
  readonly version: number;
  /** Instruction number of each command. */
  readonly owners: readonly number[];
  /** Memory that dispatches of one op share. */
  readonly shared: readonly number[];
}

class CpuProgram implements PreparedProgram {
  readonly bytes: number;
  private readonly offsets: readonly number[];
  /** Addresses of inputs, by buffer number. */
  private readonly inputAddresses = new Map<number, number>();
  private encoded: EncodedProgram | undefined;
  private arenaVersion = -1;

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
    for (const [number, buffer] of program.buffers.entries()) {
      if (buffer.kind === "input") this.inputAddresses.set(number, device.allocate(buffer.bytes));
      if (buffer.kind === "constant") device.constant(buffer.data);
    }
    this.encode();
  }

  run(inputs: readonly HostArray[], spans?: Span[]): readonly Pending[] {
    if (this.device.arenaVersion !== this.arenaVersion) this.encode();
    const { program, device } = this;
    for (const [index, { value }] of program.inputs.entries())
      this.arrayOf(value).set(inputs[index]);
    if (this.encoded) {
      if (spans) this.runTimed(this.encoded, spans);
      else device.execute(this.encoded);
    }
    return program.outputs.map(({ value }) => {
      const copy = this.arrayOf(value).slice();
      return { read: async () => copy };
    });
  }

  release(): void {
    this.discard();
    for (const address of this.inputAddresses.values()) this.device.release(address);
    for (const buffer of this.program.buffers) {
      if (buffer.kind === "constant") this.device.releaseConstant(buffer.data);
    }
  }

  private encode(): void {
    this.discard();
    this.device.arenaOf(this.bytes);
    this.arenaVersion = this.device.arenaVersion;
    this.encoded = this.device.encodeInto(this.program, (buffer) => this.addressOf(buffer));
  }

  private discard(): void {
    if (!this.encoded) return;
    this.device.release(this.encoded.address);
    for (const address of this.encoded.shared) this.device.release(address);
    this.encoded = undefined;
  }

  private addressOf(number: number): number {
    const buffer: Buffer = this.program.buffers[number];
    switch (buffer.kind) {
      case "temporary":
        return this.device.arenaOf(this.bytes).address + this.offsets[number];
      case "input":
        return this.inputAddresses.get(number) ?? 0;
      case "constant": {
        const address = this.device.constant(buffer.data);
        this.device.releaseConstant(buffer.data);
        return address;
      }
      case "variable":
        return this.device.addressOf(buffer.variable);
    }
  }

  private arrayOf(index: number): HostArray {
    const { spec, buffer, offset } = this.program.values[index];
    const length = sizeOf(spec.shape);
    return this.device.array(this.addressOf(buffer) + offset, length, spec.dtype === "i32");
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
