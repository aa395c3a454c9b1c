// The threads of the cpu device. The caller is thread 0; the others sleep in workers until a
// program starts. All run the same commands on their own shares, with a barrier before those that need one.

import { barrier, CONTROL } from "./barrier.ts";
import { type BlasDescription, openBlasFor, type Sgemm } from "./blas.ts";
import { type Command, decode, type Kernel, type ThreadContext } from "./commands.ts";

/** What a worker needs to become a thread of the team; plain data. */
export interface ThreadSetup {
  readonly thread: number;
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  readonly wasm: Uint8Array;
  readonly control: number;
  readonly blas: BlasDescription | undefined;
}

export interface Thread {
  readonly context: ThreadContext;
  /** Of context.kernels, in their order. */
  readonly kernelNames: readonly string[];
  readonly control: Int32Array;
  readonly memory: WebAssembly.Memory;
  /** Decoded programs by address, the one unused for longest first, with the version they had. */
  readonly programs: Map<number, { version: number; commands: Command[] }>;
  /** How many commands were decoded so far. */
  decoded: number;
}

/** Decoded programs that a thread keeps; one that is met again later is decoded again. */
const DECODED_PROGRAMS = 512;

/** Names of the kernels in a module, in the order of their numbers. */
function namesOfKernels(module: WebAssembly.Module): string[] {
  return WebAssembly.Module.exports(module)
    .filter(({ kind }) => kind === "function")
    .map(({ name }) => name)
    .sort();
}

/** As kernels call it (kernels/blas.as.ts): WebAssembly has no truth values. */
const forKernels =
  (sgemm: Sgemm) =>
  (transA: number, transB: number, ...rest: SgemmNumbers): void =>
    sgemm(transA === 1, transB === 1, ...rest);

type SgemmNumbers = Parameters<Sgemm> extends [boolean, boolean, ...infer Rest] ? Rest : never;

function withoutBlas(): never {
  throw new Error("cpu: a kernel wants BLAS where none is open");
}

export async function openThread(setup: ThreadSetup): Promise<Thread> {
  const module = await WebAssembly.compile(setup.wasm.slice().buffer);
  const sgemm = setup.blas && (await openBlasFor(setup.blas, setup.memory)).sgemm;
  const env = { memory: setup.memory, sgemm: sgemm ? forKernels(sgemm) : withoutBlas };
  const { exports } = await WebAssembly.instantiate(module, { env });
  const kernelNames = namesOfKernels(module);
  const kernels = kernelNames.map((name) => exports[name] as Kernel);
  const { thread, threads } = setup;
  return {
    context: { thread, threads, kernels, sgemm, smallKernels: setup.blas?.smallKernels ?? false },
    kernelNames,
    control: new Int32Array(setup.memory.buffer, setup.control, 16),
    memory: setup.memory,
    programs: new Map(),
    decoded: 0,
  };
}

/** Hears of a thread's commands as they go by. */
export interface CommandWatch {
  /**
   * Called before a command runs. Unless it `follows` the one before, all threads have finished all
   * commands before it.
   */
  before(index: number, follows: boolean): void;
  /** Called when this thread's share of it is done; others may not be done with theirs. */
  after?(index: number): void;
}

/** Runs this thread's part of the program that the control block names. */
export function runProgram(thread: Thread, watch?: CommandWatch): void {
  const { context, control } = thread;
  const commands = commandsAt(thread);
  for (let index = 0; index < commands.length; index++) {
    const { follows, run } = commands[index];
    if (!follows && index > 0) barrier(control, context.threads);
    watch?.before(index, follows);
    run();
    watch?.after?.(index);
  }
  barrier(control, context.threads);
}

function commandsAt(thread: Thread): Command[] {
  const { control, memory, programs, context } = thread;
  // The upper half of the memory has addresses that a signed word shows as negative.
  const address = control[CONTROL.address] >>> 0;
  const version = control[CONTROL.version];
  let program = programs.get(address);
  if (program?.version !== version) {
    const words = new Int32Array(memory.buffer, address, control[CONTROL.words]);
    program = { version, commands: decode(words, context) };
    thread.decoded += program.commands.length;
  }
  programs.delete(address);
  programs.set(address, program);
  const [oldest] = programs.keys();
  if (programs.size > DECODED_PROGRAMS) programs.delete(oldest);
  return program.commands;
}
