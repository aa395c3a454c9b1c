// The Device contract: where programs run and variables live.
import type { Draw } from "../../kernels/random/draws.ts";
import type { Variable } from "../tensor/variable.ts";
import type { DeviceLostError } from "./device_lost_error.ts";
import type { HostArray, Program } from "./program.ts";
import type { Span } from "./spans.ts";

/** A result that may still be under way; reading it waits for the device. */
export interface Pending {
  read(): Promise<HostArray>;
}

/** Hears during a run which values of some variables will not change any more in it. */
export interface Watch {
  /** Root variables; their elements are counted from the first one's first. */
  readonly variables: readonly Variable[];
  /** So many elements are final. Counts rise; a device that cannot tell during the run calls never. */
  readonly final: (elements: number) => void;
}

/** Memory of a device that other threads of this process may read and write between its runs. */
export interface SharedMemory {
  readonly memory: WebAssembly.Memory;
  /** Address of a variable's first element. */
  addressOf(variable: Variable): number;
  /** @returns the address. @throws OutOfMemoryError */
  allocate(bytes: number): number;
  /** Gives back what `allocate` gave. */
  release(address: number): void;
  /** drawInto() by all threads, for values that lie in this memory. */
  draw(values: Float32Array, draw: Draw): void;
}

/** A program made ready: memory planned, kernels chosen, commands encoded. */
export interface PreparedProgram {
  /** Bytes of temporaries. */
  readonly bytes: number;
  /**
   * Runs once. Inputs are copied before the call returns; the results stay readable after later runs.
   * @param spans where to append what took how long; timing makes the run slower.
   */
  run(inputs: readonly HostArray[], spans?: Span[], watch?: Watch): readonly Pending[];
  /** Gives the memory back. The program must not run again. */
  release(): void;
}

export interface DeviceMemory {
  readonly variables: number;
  /** Temporaries: the largest prepared program, or the sum where programs do not share them. */
  readonly temporaries: number;
  /** Bytes in all; undefined where the device does not tell. */
  readonly limit: number | undefined;
}

/** The least width multiple that suits both a device and the user's --required-seq-len-multiple. */
export function commonWidthMultiple({ widthMultiple }: Device, required: number): number {
  let multiple = required;
  while (multiple % widthMultiple !== 0) multiple += required;
  return multiple;
}

export interface Device {
  readonly kind: "cpu" | "webgpu";
  /** One line for the start of a run: what serves. */
  readonly description: string;
  /** Batches get widths of multiples of this, so that plans are reused; 1 where a new plan is cheap. */
  readonly widthMultiple: number;
  /**
   * Temporaries beyond so many bytes are not worth their memory: training then computes a batch in pieces.
   * Absent where whole batches always serve better.
   */
  readonly pieceBytes?: number;
  /** How f16 tensors are stored: as such, or packed in pairs; undefined where there are none. */
  readonly half: "native" | "packed" | undefined;
  /** Where the device's memory is this process's own. */
  readonly shared?: SharedMemory;
  prepare(program: Program): PreparedProgram;
  /**
   * Measures which kernels are fastest for the programs prepared since the last call; they follow at
   * their next run. Undefined when there is nothing to measure. To be awaited before a program's first
   * run: its results may differ in their last bits afterwards.
   */
  readonly tune?: (() => Promise<void> | undefined) | undefined;
  /** Kernels that were chosen among several, by op and class of shapes: with the device they decide the bits. */
  kernelRecord?(): Readonly<Record<string, string>>;
  /**
   * From now on runs may be kept back, until `send()` sends them together; reading a result sends what it
   * needs. A device that has these two computes beside the host: who reads late keeps it busy.
   */
  hold?(): void;
  send?(): void;
  /** Copies host data into a variable (or view). */
  write(variable: Variable, data: HostArray): void;
  /** Copies a variable (or view) to the host. */
  read(variable: Variable): Promise<HostArray>;
  /** Gives a root variable's storage back. */
  free(variable: Variable): void;
  memory(): DeviceMemory;
  /**
   * The loss of the device, if it is lost; to be asked after something failed on it, whatever the failure
   * said. A device that lacks this is never lost while its process lives.
   */
  loss?(): Promise<DeviceLostError | undefined>;
  close(): Promise<void>;
}
