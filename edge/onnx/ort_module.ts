// onnxruntime-web without its public interface, which copies every tensor in and out at each run and takes
// no compiled module, the only thing that workers allow. What stands here is the glue that emscripten
// wrote beside the wasm and the part of ONNX Runtime's C interface that it shows.
import { UserError } from "../../src/config/user_error.ts";

type Address = number;

/** What of the glue's module is used. Functions that return a code return 0 for success. */
export interface GlueModule {
  /** Views of the whole memory, to be taken anew after anything that may allocate. It is shared always. */
  readonly HEAPU8: Uint8Array<SharedArrayBuffer>;
  readonly HEAPU32: Uint32Array<SharedArrayBuffer>;
  _malloc(bytes: number): Address;
  _free(address: Address): void;
  stackSave(): Address;
  stackAlloc(bytes: number): Address;
  stackRestore(address: Address): void;
  UTF8ToString(address: Address): string;
  _OrtInit(threads: number, logLevel: number): number;
  _OrtGetLastError(code: Address, message: Address): number;
  _OrtCreateSessionOptions(
    optimization: number,
    arena: boolean,
    memoryPattern: boolean,
    executionMode: number,
    profiling: boolean,
    profilePrefix: Address,
    logId: Address,
    logLevel: number,
    verbosity: number,
    optimizedModelPath: Address,
  ): Address;
  _OrtReleaseSessionOptions(options: Address): number;
  _OrtCreateSession(model: Address, bytes: number, options: Address): Address;
  _OrtReleaseSession(session: Address): number;
  _OrtGetInputOutputCount(session: Address, inputs: Address, outputs: Address): number;
  _OrtGetInputOutputMetadata(
    session: Address,
    index: number,
    name: Address,
    metadata: Address,
  ): number;
  _OrtFree(address: Address): number;
  _OrtCreateTensor(
    type: number,
    data: Address,
    bytes: number,
    sizes: Address,
    rank: number,
    location: number,
  ): Address;
  _OrtGetTensorData(
    tensor: Address,
    type: Address,
    data: Address,
    sizes: Address,
    rank: Address,
  ): number;
  _OrtReleaseTensor(tensor: Address): number;
  _OrtCreateRunOptions(
    logLevel: number,
    verbosity: number,
    terminate: boolean,
    tag: number,
  ): number;
  _OrtReleaseRunOptions(options: Address): number;
  _OrtRun(
    session: Address,
    inputNames: Address,
    inputs: Address,
    inputCount: number,
    outputNames: Address,
    outputCount: number,
    outputs: Address,
    options: Address,
  ): number;
}

/** Settings of the glue that are used. */
export interface GlueSettings {
  readonly numThreads: number;
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
}

/** The default export of onnxruntime-web/ort-wasm-simd-threaded.mjs. */
export type Glue = (settings: GlueSettings) => Promise<unknown>;

/** onnxruntime-web as the caller's platform has it. */
export interface OnnxRuntime {
  readonly glue: Glue;
  /** ort-wasm-simd-threaded.wasm, compiled or as bytes. */
  readonly wasm: WebAssembly.Module | Uint8Array<ArrayBuffer>;
  /** Default 1. More need workers, and cores that are idle: ONNX Runtime's threads wait by spinning. */
  readonly threads?: number;
}

const FATAL_ONLY = 4;
/** Session and run options: errors come back as codes, so nothing is logged. */
export const LOG_LEVEL = FATAL_ONLY;

/** The platform's own; the glue puts that of node:worker_threads in its place, which takes no addresses. */
const ownWorker = globalThis.Worker;

/** An instance of ONNX Runtime with a memory of its own. */
export class OrtModule {
  private readonly sizes = new Map<Address, number>();
  private usedBytes = 0;

  private constructor(readonly glue: GlueModule) {}

  static async open({ glue, wasm, threads = 1 }: OnnxRuntime): Promise<OrtModule> {
    const compiled = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    const module = await new Promise<GlueModule>((resolve, reject) => {
      const started = glue({
        numThreads: threads,
        instantiateWasm(imports, done) {
          // Not `new WebAssembly.Instance`: browsers refuse that for large modules on their main thread.
          WebAssembly.instantiate(compiled, imports).then(
            (instance) => done(instance, compiled),
            reject,
          );
          return {};
        },
      });
      started.then((value) => resolve(value as GlueModule), reject);
    });
    // With threads the glue still needs its own.
    if (threads === 1 && globalThis.Worker !== ownWorker) globalThis.Worker = ownWorker;
    const opened = new OrtModule(module);
    opened.check(module._OrtInit(threads, LOG_LEVEL), "start");
    return opened;
  }

  /** Bytes allocated here, sessions and their working memory not counted, and bytes of the memory. */
  get memory(): { readonly used: number; readonly grown: number } {
    return { used: this.usedBytes, grown: this.glue.HEAPU8.length };
  }

  allocate(bytes: number): Address {
    const address = this.glue._malloc(Math.max(16, bytes));
    if (address === 0) {
      const mib = (count: number): string => `${(count / 2 ** 20).toFixed(0)} MiB`;
      throw new UserError({
        place: "memory of ONNX Runtime",
        problem: `${mib(bytes)} more do not fit: it has grown to ${mib(this.memory.grown)}`,
        remedy: "lower the beam, the length of texts or the number of requests at a time",
      });
    }
    this.sizes.set(address, bytes);
    this.usedBytes += bytes;
    return address;
  }

  free(address: Address): void {
    this.usedBytes -= this.sizes.get(address) ?? 0;
    this.sizes.delete(address);
    this.glue._free(address);
  }

  /** @throws Error with ONNX Runtime's own words if the code is not 0. */
  check(code: number, action: string): void {
    if (code !== 0) throw this.failure(action);
  }

  /** A handle that was asked for. @throws Error as `check` if there is none. */
  handle(address: Address, action: string): Address {
    if (address === 0) throw this.failure(action);
    return address;
  }

  /** Lends a few words of stack. */
  withStack<Result>(bytes: number, body: (address: Address) => Result): Result {
    const { glue } = this;
    const before = glue.stackSave();
    try {
      return body(glue.stackAlloc(bytes));
    } finally {
      glue.stackRestore(before);
    }
  }

  word(address: Address): number {
    return this.glue.HEAPU32[address >>> 2];
  }

  // Views hold until the memory next grows, so take them anew after anything that allocates.

  bytesAt(address: Address, count: number): Uint8Array<SharedArrayBuffer> {
    return this.glue.HEAPU8.subarray(address, address + count);
  }

  floatsAt(address: Address, count: number): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.glue.HEAPU8.buffer, address, count);
  }

  integersAt(address: Address, count: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.glue.HEAPU8.buffer, address, count);
  }

  private failure(action: string): Error {
    return this.withStack(8, (at) => {
      this.glue._OrtGetLastError(at, at + 4);
      const message = this.word(at + 4);
      const said = message === 0 ? "no reason given" : this.glue.UTF8ToString(message);
      return new Error(`ONNX Runtime could not ${action}: ${said}`);
    });
  }
}
