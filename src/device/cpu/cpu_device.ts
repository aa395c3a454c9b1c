// The device that is always there: WASM SIMD kernels on shared memory, one thread per core, matrix
// products by the system's BLAS when there is one. Equal inputs and threads give equal bits.
import { availableParallelism } from "node:os";
import process from "node:process";
import { MAXIMUM_PAGES, PAGE_BYTES } from "../../../kernels/pages.ts";
import { type Draw, drawDispatch } from "../../../kernels/random/draws.ts";
import { UserError } from "../../config/user_error.ts";
import { bytesOf, sizeOf } from "../../tensor/shape.ts";
import type { Variable } from "../../tensor/variable.ts";
import { Heap } from "../../wasm/heap.ts";
import { workerUrl } from "../../workers.ts";
import type { Device, DeviceMemory, PreparedProgram, SharedMemory } from "../device.ts";
import type { HostArray, Program } from "../program.ts";
import { advance, CONTROL } from "./barrier.ts";
import { type Blas, type NoBlas, openBlas } from "./blas.ts";
import type { Scratch } from "./commands.ts";
import { CpuProgram } from "./cpu_program.ts";
import { encodeDispatch, encodeProgram, type Places } from "./encode_program.ts";
import { failureOf, SHARED_BYTES } from "./failure.ts";
import { GrowingBlock } from "./growing_block.ts";
import { readKernels } from "./kernels_file.ts";
import { PackedWeights, type WeightPlace } from "./packed_weights.ts";
import {
  type CommandWatch,
  openThread,
  runProgram,
  type Thread,
  type ThreadSetup,
} from "./team.ts";
import { Words } from "./words.ts";

/** About half of the parameters and state of a Transformer of usual size; its pieces still keep products busy. */
const PIECE_BYTES = 3 * 2 ** 27;

/** The memory grows by so many bytes at least: a growth costs a millisecond, pages nobody touches nothing. */
const GROWTH_BYTES = 2 ** 24;

/** Threads share no cache line of their scratch. */
const SCRATCH_ALIGNMENT = 64;

export interface CpuOptions {
  /** Default: WEFT_THREADS, else the cores this process may use. */
  readonly threads?: number;
  /** Path of a BLAS library, or "none"; default: WEFT_BLAS, else the usual places. */
  readonly blas?: string;
  /** Temporaries beyond which training computes a batch in pieces. Default 384 MiB. */
  readonly pieceBytes?: number;
}

/** Starts the threads and finds a BLAS. */
export async function openCpuDevice(options: CpuOptions = {}): Promise<CpuDevice> {
  const { WEFT_THREADS: offered } = process.env;
  const threads = options.threads ?? (offered ? Number(offered) : availableParallelism());
  if (!Number.isInteger(threads) || threads < 1) {
    throw new UserError({
      place: options.threads === undefined ? `WEFT_THREADS=${offered}` : "--threads",
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
    const { byteLength } = memory.buffer;
    if (end <= byteLength) return;
    const wanted = Math.ceil(end / GROWTH_BYTES) * GROWTH_BYTES;
    memory.grow(Math.min(MAXIMUM_PAGES, wanted / PAGE_BYTES) - byteLength / PAGE_BYTES);
  };
  // The first page stays empty: address 0 means "no such operand" to kernels.
  const heap = new Heap(PAGE_BYTES, (MAXIMUM_PAGES - 1) * PAGE_BYTES, grow, {
    place: "memory of the cpu device",
    remedy: "lower --max-tokens or --batch-size, or use a smaller model",
  });
  const control = heap.allocate(SHARED_BYTES);
  const blas = await findBlas(options.blas, memory);
  const setups = Array.from({ length: threads }, (_, thread): ThreadSetup => {
    const description = "reason" in blas ? undefined : blas.description;
    return { thread, threads, memory, wasm, control, blas: description };
  });
  const workers = await Promise.all(setups.slice(1).map(startWorker));
  const { pieceBytes = PIECE_BYTES } = options;
  return new CpuDevice(await openThread(setups[0]), workers, memory, heap, blas, pieceBytes);
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
  readonly half = undefined;
  private readonly kernels: ReadonlyMap<string, number>;
  private readonly storage = new Map<Variable, number>();
  private readonly constants = new Map<HostArray, { address: number; users: number }>();
  /** Temporaries of whichever program runs. */
  readonly arena: GrowingBlock;
  /** Scratch of all threads, in equal parts. */
  private readonly scratch: GrowingBlock;
  private readonly packedWeights: PackedWeights;
  /** Of the program that is being encoded. */
  private readonly words = new Words();
  readonly shared: SharedMemory;
  private variableBytes = 0;
  private programs = 0;
  private lost: string | undefined;

  constructor(
    private main: Thread,
    private workers: readonly Worker[],
    private readonly wasmMemory: WebAssembly.Memory,
    private readonly heap: Heap,
    readonly blas: Blas | NoBlas,
    readonly pieceBytes: number,
  ) {
    this.shared = {
      memory: wasmMemory,
      addressOf: (variable) => this.addressOf(variable) + variable.byteOffset,
      allocate: (bytes) => heap.allocate(bytes),
      release: (address) => heap.release(address),
      draw: (values, draw) => this.draw(values, draw),
    };
    this.arena = new GrowingBlock(heap);
    this.scratch = new GrowingBlock(heap);
    this.packedWeights = new PackedWeights(heap, wasmMemory);
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
    this.packedWeights.refresh(target.byteOffset, target.byteOffset + target.byteLength);
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
      temporaries: this.arena.bytes + this.scratch.bytes,
      limit: this.heap.limit,
    };
  }

  async close(): Promise<void> {
    this.lost ??= "cpu: the device is closed";
    this.dismissWorkers();
  }

  /** From now on the calling thread computes alone: for whoever shares work out in another way. */
  keepOneThread(): void {
    this.dismissWorkers();
    const context = { ...this.main.context, threads: 1 };
    this.main = { ...this.main, context, programs: new Map() };
  }

  private dismissWorkers(): void {
    Atomics.store(this.main.control, CONTROL.shutdown, 1);
    advance(this.main.control, CONTROL.generation);
    for (const worker of this.workers) worker.terminate();
    this.workers = [];
  }

  // ---- for CpuProgram ----

  /** Address of a root variable; undefined before it is met and after it was freed. */
  storageOf(root: Variable): number | undefined {
    return this.storage.get(root);
  }

  /** Address of a variable's root, allocated and zeroed when first met. */
  addressOf(variable: Variable): number {
    const { root } = variable;
    let address = this.storage.get(root);
    if (address === undefined) {
      const bytes = bytesOf(root.spec);
      const { untouched } = this.heap;
      address = this.heap.allocate(bytes);
      // Memory that nobody had is zero, and costs nothing until it is written.
      const used = Math.min(Math.max(untouched - address, 0), bytes);
      new Uint8Array(this.wasmMemory.buffer, address, used).fill(0);
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

  /** Where such data already lies. */
  addressOfConstant(data: HostArray): number {
    return this.constants.get(data)?.address ?? 0;
  }

  /** Changes when memory that programs share has moved: they must encode again. */
  get memoryVersion(): number {
    return this.arena.version + this.scratch.version;
  }

  array(address: number, length: number, integers: boolean): HostArray {
    const { buffer } = this.wasmMemory;
    return integers
      ? new Int32Array(buffer, address, length)
      : new Float32Array(buffer, address, length);
  }

  encode(program: Program, locate: (buffer: number) => number): EncodedProgram {
    const blas = !("reason" in this.blas);
    const smallKernels = "reason" in this.blas ? false : this.blas.description.smallKernels;
    const facts = { threads: this.threads, blas, fewRowsByBlas: smallKernels };
    const taken: number[] = [];
    const weights: WeightPlace[] = [];
    const allocate = (bytes: number): number => {
      const address = this.heap.allocate(bytes);
      taken.push(address);
      return address;
    };
    try {
      const scratch = (bytes: number) => this.scratchOf(bytes);
      const packed: Places["packed"] = (number, offset, size) => {
        const buffer = program.buffers[number];
        if (!smallKernels || buffer.kind !== "variable") return undefined;
        if (!program.frozen?.has(buffer.variable)) return undefined;
        const weight = { ...size, address: locate(number) + offset };
        weights.push(weight);
        return this.packedWeights.take(weight);
      };
      const places = { locate, packed, allocate, scratch };
      const owners = encodeProgram(this.words, program, this.kernels, facts, places);
      const list = this.publish();
      taken.push(list.address);
      return { ...list, owners, taken, weights };
    } catch (error) {
      this.discard({ taken, weights });
      throw error;
    }
  }

  /** Gives back what a program was encoded with. */
  discard({ taken, weights }: Pick<EncodedProgram, "taken" | "weights">): void {
    for (const address of taken) this.heap.release(address);
    for (const weight of weights) this.packedWeights.release(weight);
  }

  /** Puts the words of this.words where all threads can read them. */
  private publish(): CommandList {
    const words = this.words.view;
    const address = this.heap.allocate(words.byteLength);
    new Int32Array(this.wasmMemory.buffer, address, words.length).set(words);
    return { address, words: words.length, version: ++this.programs };
  }

  private draw(values: Float32Array, draw: Draw): void {
    const dispatch = drawDispatch(draw, values.length);
    encodeDispatch(this.words, dispatch, this.kernels, values.byteOffset, (bytes) =>
      this.scratchOf(bytes),
    );
    const list = this.publish();
    try {
      this.execute(list);
    } finally {
      this.heap.release(list.address);
    }
  }

  private scratchOf(bytes: number): Scratch {
    const { threads, scratch } = this;
    scratch.reserve(Math.ceil(bytes / SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT * threads);
    return { address: scratch.address, bytesPerThread: scratch.bytes / threads };
  }

  execute(encoded: CommandList, watch?: CommandWatch): void {
    if (this.lost) throw new Error(this.lost);
    const { control } = this.main;
    control[CONTROL.address] = encoded.address;
    control[CONTROL.words] = encoded.words;
    control[CONTROL.version] = encoded.version;
    advance(control, CONTROL.generation);
    try {
      runProgram(this.main, watch);
    } catch (error) {
      this.lost = "cpu: an earlier program failed, the threads are out of step";
      throw error;
    }
    const failure = failureOf(control);
    if (failure) {
      this.lost = `cpu: a kernel failed on thread ${failure.thread}: ${failure.message}`;
      throw new Error(this.lost);
    }
  }

  private view(variable: Variable): HostArray {
    const address = this.shared.addressOf(variable);
    return this.array(address, sizeOf(variable.spec.shape), variable.spec.dtype === "i32");
  }
}

/** Commands that the threads can read. */
interface CommandList {
  readonly address: number;
  readonly words: number;
  readonly version: number;
}

export interface EncodedProgram extends CommandList {
  /** Instruction number of each command. */
  readonly owners: readonly number[];
  /** What to give back with it: the words themselves, and memory that dispatches of one op share. */
  readonly taken: readonly number[];
  /** Packed weights that it reads. */
  readonly weights: readonly WeightPlace[];
}
