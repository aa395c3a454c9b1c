// The Op contract: one record per op, each in the folder of its family.
import type { DType, Shape, TensorSpec } from "../src/tensor/shape.ts";
import type { GraphOp } from "../src/tensor/tensor.ts";
import type { NdArray } from "./nd_array.ts";

/** An op with everything that is known when a plan is made. */
export interface OpSpec<Attributes> {
  readonly attributes: Attributes;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

// ---- cpu ----

/** What the address of is a kernel's argument. */
type CpuMemory =
  | { readonly input: number }
  | { readonly output: number }
  /** Address of at least this many bytes that only this thread sees; contents undefined. */
  | { readonly scratch: number }
  /** Address of memory that the threads and the op's dispatches share under this name; contents undefined at first. */
  | { readonly shared: string; readonly bytes: number };

/** A kernel argument: an address, or a number. A bare one is an i32. */
export type CpuArgument = CpuMemory | number | { readonly f32: number };

/**
 * One call of an export of kernels.wasm: `kernel(...arguments, start, end)` on every thread. It writes no
 * input and nothing beyond its outputs, what dispatches share and its scratch, all of which are named among
 * the arguments: threads wait for each other only where these meet what other commands touch.
 */
export interface KernelDispatch {
  readonly kernel: string;
  readonly arguments: readonly CpuArgument[];
  /** Length of the range that the threads share; each gets [start, end). */
  readonly work: number;
  /** Ranges begin at multiples of this; fewer units than this stay on one thread. Default 1. */
  readonly grain?: number;
  /**
   * Minds nothing that other threads do in the op's dispatch before, and in those that this one follows: of
   * what those write it touches only what the same thread has written. No barrier is between for their sake.
   */
  readonly follows?: boolean;
  /** Only copies its first argument to its second: left out where the two are one memory. */
  readonly copies?: boolean;
}

/** C (M, N) = op(A) op(B) + beta C through the system's BLAS, rows or columns split over the threads. */
export interface SgemmDispatch {
  readonly sgemm: {
    readonly transA: boolean;
    readonly transB: boolean;
    readonly M: number;
    readonly N: number;
    readonly K: number;
    readonly lda: number;
    readonly ldb: number;
    readonly ldc: number;
    readonly beta: 0 | 1;
    readonly batch: number;
    /** Elements from one matrix of the batch to the next. */
    readonly strides: readonly [a: number, b: number, c: number];
    readonly split: "batch" | "M" | "N";
  };
  readonly a: CpuArgument;
  readonly b: CpuArgument;
  readonly c: CpuArgument;
  readonly grain?: number;
  /** As of a KernelDispatch. */
  readonly follows?: boolean;
}

export type CpuDispatch = KernelDispatch | SgemmDispatch;

export interface CpuFacts {
  readonly threads: number;
  /** True when matrix products may be sent to a BLAS. */
  readonly blas: boolean;
  /** True when it multiplies few rows about as fast, row for row, as many. */
  readonly fewRowsByBlas: boolean;
}

// ---- webgpu ----

/**
 * What a subgroup multiplies at once: (M, K) by (K, N) in f16, added to sums (M, N) in f32. The extension
 * is an experiment of Dawn's and has had two spellings: whether a matrix lies by rows or by columns in
 * memory is a parameter of the type or an argument.
 */
export interface SubgroupMatrix {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly layout: "parameter" | "argument";
}

/** What kernels may depend on. Limits are the adapter's. */
export interface GpuFacts {
  /** Whether texts may use the type f16; where not, f16 tensors are pairs packed into words. */
  readonly f16: boolean;
  readonly maxWorkgroupSize: number;
  readonly maxWorkgroupMemory: number;
  readonly maxWorkgroupsPerDimension: number;
  /** Lanes that a subgroup may have; undefined where texts may not use subgroups. */
  readonly subgroups: { readonly min: number; readonly max: number } | undefined;
  /** Products of whole matrices, seen to be right on this adapter; undefined where texts may not use them. */
  readonly subgroupMatrix: SubgroupMatrix | undefined;
  /** Texts should be short: a software adapter takes longer to compile than to run what is unrolled. */
  readonly isSoftware?: boolean;
}

export type GpuBinding =
  | { readonly input: number }
  | { readonly output: number }
  /** Device memory that the op's dispatches share under this name; contents undefined at first. */
  | { readonly shared: string; readonly bytes: number };

/**
 * One compute pass. `code` is WGSL with @group(0) @binding(i) for `bindings[i]` (all declared read_write).
 * An f16 operand is declared as f32 or vec4<f32>, as if it were stored so: the device converts its loads
 * and stores. Only a text that means to read halves itself (and asks GpuFacts.f16) declares f16.
 */
export interface GpuDispatch {
  /** Entry point is `main`. Equal texts share a pipeline: put sizes into the text only when that pays. */
  readonly code: string;
  readonly bindings: readonly GpuBinding[];
  /** Static numbers of this dispatch: bound as `var<uniform> params: array<vec4<u32>, n>` at the binding after the last. */
  readonly params?: Uint32Array;
  readonly workgroups: readonly [number, number, number];
  /** Only copies an input to an output: left out where the two are one memory. */
  readonly copies?: boolean;
}

/** One of several ways to compute an op; all agree within the tolerance of the op's examples. */
export interface GpuCandidate {
  /** Unique among the candidates of an op; what a run's record and the cache of timings know it by. */
  readonly name: string;
  dispatches(): readonly GpuDispatch[];
}

/** An op that leaves the choice of its kernels to whoever measures them. */
export interface GpuChoice {
  /**
   * Shapes among which the same candidate does best. Equal classes of an op have candidates of equal
   * names and texts; only params, workgroups and the order may differ.
   */
  readonly shapeClass: string;
  /** At least one. The first serves where nothing was measured. */
  readonly candidates: readonly GpuCandidate[];
}

export type GpuAnswer = GpuDispatch | readonly GpuDispatch[] | GpuChoice;

/** The dispatches of an answer that leaves no choice. */
export const dispatchesOf = (
  answer: GpuDispatch | readonly GpuDispatch[],
): readonly GpuDispatch[] => ("code" in answer ? [answer] : answer);

export const isGpuChoice = (answer: GpuAnswer): answer is GpuChoice => "candidates" in answer;

// ---- the suite ----

/** Uniform numbers for example inputs; the suite seeds it. */
export interface ExampleRandom {
  /** Whole number in [low, high]. */
  int(low: number, high: number): number;
  /** Uniform in [low, high). */
  uniform(low: number, high: number): number;
  normal(): number;
}

/** A case for the op suite. */
export interface Example<Attributes> {
  readonly name: string;
  readonly attributes: Attributes;
  readonly inputs: readonly { shape: Shape; dtype: DType; data: Float64Array }[];
  /** Inputs whose gradient is checked by central differences. Default: all f32 inputs if the op has a gradient. */
  readonly differentiate?: readonly number[];
  /** Outputs that enter the loss of that check. Default: all f32 outputs; name fewer where others are for internal use. */
  readonly lossOutputs?: readonly number[];
  /** |got - want| <= absolute + relative |want|. Defaults 1e-5 and 1e-5. */
  readonly absolute?: number;
  readonly relative?: number;
}

export interface Op<Attributes> extends GraphOp<Attributes> {
  /** What the op means: float64, plain loops. Integer tensors arrive as whole float64 numbers. */
  reference(attributes: Attributes, inputs: readonly NdArray[]): NdArray[];
  cpu(spec: OpSpec<Attributes>, facts: CpuFacts): CpuDispatch | readonly CpuDispatch[];
  webgpu(spec: OpSpec<Attributes>, facts: GpuFacts): GpuAnswer;
  /** Pairs [output, input] that may share storage when the input is not needed afterwards. */
  readonly inPlace?: readonly (readonly [output: number, input: number])[];
  /**
   * Inputs that may be f16 instead of f32, all of them together; so are the outputs that are like them.
   * Arithmetic stays f32: a result is the reference's, rounded once. Default: none.
   */
  readonly halfInputs?: readonly number[] | "all";
  /** Output 0 is input 0 under another shape: no kernel runs. */
  readonly alias?: boolean;
  /** Inputs of random shapes for the suite: odd sizes, 1, 0, broadcasts, padding. */
  examples(random: ExampleRandom): readonly Example<Attributes>[];
}

/** Ops without attributes take this. */
export type NoAttributes = Readonly<Record<never, never>>;
