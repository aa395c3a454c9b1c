// What the suites ask of an op on a device: the forward result against the float64 reference, and
// gradients against central differences of that reference.
import process from "node:process";
import { add, cast, mul } from "../../kernels/elementwise/index.ts";
import { NdArray } from "../../kernels/nd_array.ts";
import type { Example, ExampleRandom, Op } from "../../kernels/op.ts";
import { sum } from "../../kernels/reduce/index.ts";
import type { Device } from "../../src/device/device.ts";
import type { HostArray } from "../../src/device/program.ts";
import { compile, type HostTensor } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { formatShape, isFloat } from "../../src/tensor/shape.ts";
import { applyAll, constant, type Tensor } from "../../src/tensor/tensor.ts";
import { seededRandom } from "./random.ts";
import { webgpu } from "./webgpu.ts";

/** Elements of one input whose derivative is checked; central differences cost two forwards each. */
const PROBES = 16;
const STEP = 1e-4;
/** Another seed draws other shapes and numbers. */
export const SEED = Number(process.env.WEFT_TEST_SEED ?? 0);

/** Says of a failing case all that it takes to meet it again. */
export async function naming(
  op: Op<unknown>,
  { name, attributes, inputs }: Example<unknown>,
  check: () => Promise<void>,
): Promise<void> {
  try {
    await check();
  } catch (error) {
    const shapes = inputs.map(({ shape, dtype }) => `${dtype}${formatShape(shape)}`).join(" x ");
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${op.name} "${name}" of ${shapes} with ${JSON.stringify(attributes)}: ${problem} ` +
        `(WEFT_TEST_SEED=${SEED})`,
      { cause: error },
    );
  }
}

export function hash(name: string): number {
  let value = 17;
  for (const letter of name) value = (Math.imul(value, 31) + letter.charCodeAt(0)) >>> 0;
  return value;
}

/** Whether a case is for devices with f16 only. */
export const hasHalves = (op: Op<unknown>, { attributes, inputs }: Example<unknown>): boolean =>
  [...inputs, ...op.infer(attributes, inputs)].some(({ dtype }) => dtype === "f16");

const examples = new Map<Op<unknown>, readonly Example<unknown>[]>();

/** The cases of an op, drawn once: what they must come to is computed once for all devices. */
export function examplesOf(op: Op<unknown>): readonly Example<unknown>[] {
  const drawn = examples.get(op) ?? op.examples(seededRandom(hash(op.name) + SEED));
  examples.set(op, drawn);
  return drawn;
}

const hostTensors = (example: Example<unknown>): Record<string, HostTensor> =>
  Object.fromEntries(
    example.inputs.map(({ shape, dtype, data }, index) => [
      `x${index}`,
      { shape, data: dtype === "i32" ? Int32Array.from(data) : Float32Array.from(data) },
    ]),
  );

/** The inputs as the device sees them: rounded to float32. */
const references = (example: Example<unknown>): NdArray[] =>
  example.inputs.map(({ shape, dtype, data }) =>
    NdArray.of(shape, dtype === "i32" ? data : Float32Array.from(data)),
  );

/** Halves are fed as the f32 that they are exactly. */
const inOrder = (inputs: Readonly<Record<string, Tensor>>, example: Example<unknown>): Tensor[] =>
  example.inputs.map(({ dtype }, index) => cast(inputs[`x${index}`], dtype));

const outputs = new WeakMap<Example<unknown>, readonly NdArray[]>();

/** What the reference says. */
function outputsOf(op: Op<unknown>, example: Example<unknown>): readonly NdArray[] {
  const found = outputs.get(example) ?? op.reference(example.attributes, references(example));
  outputs.set(example, found);
  return found;
}

export async function checkForward(device: Device, op: Op<unknown>, example: Example<unknown>) {
  const run = compile(device, op.name, (inputs: Record<string, Tensor>) => {
    const outputs = applyAll(op, example.attributes, ...inOrder(inputs, example));
    return Object.fromEntries(outputs.map((output, index) => [`y${index}`, output]));
  });
  const results = run(hostTensors(example));
  const specs = op.infer(example.attributes, example.inputs);
  for (const [index, { data }] of outputsOf(op, example).entries()) {
    const got = await results[`y${index}`].read();
    const want = specs[index].dtype === "f16" ? data.map(beyondHalf) : data;
    expectClose(got, want, example, `output ${index}`);
  }
  run.release();
}

/** Infinity for what is beyond the largest half, else the number itself. */
const beyondHalf = (value: number): number =>
  Math.abs(value) >= 65520 ? Math.sign(value) * Number.POSITIVE_INFINITY : value;

function expectClose(
  got: HostArray,
  want: Float64Array,
  { absolute = 1e-5, relative = 1e-5 }: { absolute?: number; relative?: number },
  what: string,
): void {
  if (got.length !== want.length)
    throw new Error(`${what}: ${got.length} of ${want.length} elements`);
  for (let i = 0; i < want.length; i++) {
    // An infinite tolerance would let anything pass for infinity.
    const equal = Number.isFinite(want[i])
      ? Math.abs(got[i] - want[i]) <= absolute + relative * Math.abs(want[i])
      : Object.is(got[i], want[i]);
    if (equal) continue;
    throw new Error(`${what}: element ${i} is ${got[i]}, should be ${want[i]}`);
  }
}

/** A loss, and some of its derivatives as central differences of the reference tell them. */
interface Slopes {
  /** Outputs that the loss adds up, and the weights of their elements. */
  readonly inLoss: readonly { readonly output: number; readonly weights: Float32Array }[];
  readonly inputs: readonly {
    readonly index: number;
    readonly probes: readonly { readonly at: number; readonly numeric: number }[];
  }[];
}

const slopes = new WeakMap<Example<unknown>, Slopes>();

/** The same for an example whatever the seed was at first. */
function slopesOf(op: Op<unknown>, example: Example<unknown>, seed: number): Slopes {
  const found = slopes.get(example) ?? differentiate(op, example, seededRandom(seed));
  slopes.set(example, found);
  return found;
}

function differentiate(op: Op<unknown>, example: Example<unknown>, random: ExampleRandom): Slopes {
  const inputs = references(example);
  const checked =
    example.differentiate ??
    example.inputs.flatMap(({ dtype }, index) => (isFloat(dtype) ? [index] : []));
  const specs = op.infer(example.attributes, example.inputs);
  // Integers pass no gradient on.
  const outputs =
    example.lossOutputs ?? specs.flatMap(({ dtype }, index) => (isFloat(dtype) ? [index] : []));
  if (checked.length === 0 || outputs.length === 0) return { inLoss: [], inputs: [] };
  const inLoss = outputs.map((output) => {
    const { size } = outputsOf(op, example)[output];
    return { output, weights: Float32Array.from({ length: size }, () => random.normal()) };
  });
  const loss = (at: readonly NdArray[]): number => {
    const values = op.reference(example.attributes, at);
    let total = 0;
    for (const { output, weights } of inLoss) {
      const { data } = values[output];
      for (let i = 0; i < data.length; i++) total += data[i] * weights[i];
    }
    return total;
  };
  return {
    inLoss,
    inputs: checked.map((index) => {
      const { length } = inputs[index].data;
      const probes = Array.from({ length: Math.min(PROBES, length) }, (_, probe) => {
        const at = length <= PROBES ? probe : random.int(0, length - 1);
        return { at, numeric: centralDifference(loss, inputs, index, at) };
      });
      return { index, probes };
    }),
  };
}

/** @param seed of the loss and of which elements are tried. */
export async function checkGradient(
  device: Device,
  op: Op<unknown>,
  example: Example<unknown>,
  seed: number,
  tolerated = 2e-3,
) {
  const { inLoss, inputs } = slopesOf(op, example, seed);
  if (inputs.length === 0) return;
  const run = compile(device, `${op.name} gradient`, (symbolic: Record<string, Tensor>) => {
    const ordered = inOrder(symbolic, example);
    const results = applyAll(op, example.attributes, ...ordered);
    const terms = inLoss.map(({ output, weights }) =>
      sum(mul(cast(results[output], "f32"), constant(weights, results[output].shape))),
    );
    const gradients = gradient(
      terms.reduce((a, b) => add(a, b)),
      inputs.map(({ index }) => ordered[index]),
    );
    return Object.fromEntries(gradients.map((g, position) => [`g${position}`, g]));
  });
  const results = run(hostTensors(example));
  for (const [position, { index, probes }] of inputs.entries()) {
    const got = await results[`g${position}`].read();
    for (const { at, numeric } of probes) {
      const tolerance = tolerated + tolerated * Math.abs(numeric);
      if (Math.abs(got[at] - numeric) <= tolerance) continue;
      throw new Error(`d loss / d input ${index}[${at}] is ${got[at]}, should be ${numeric}`);
    }
  }
  run.release();
}

function centralDifference(
  loss: (at: readonly NdArray[]) => number,
  inputs: readonly NdArray[],
  index: number,
  at: number,
): number {
  const { data } = inputs[index];
  const before = data[at];
  const step = STEP * Math.max(1, Math.abs(before));
  data[at] = before + step;
  const above = loss(inputs);
  data[at] = before - step;
  const below = loss(inputs);
  data[at] = before;
  return (above - below) / (2 * step);
}

/**
 * Of a software adapter's cases every so many-th is tried, since each may cost seconds of compiling: those
 * of attention most, and under Deno only what shows that its compiler takes the text. Elsewhere all are.
 */
export function strideOf(device: Device, op: string, deno: number): number {
  const isSoftware = !("reason" in webgpu) && webgpu.facts.type === "software";
  if (device.kind !== "webgpu" || !isSoftware) return 1;
  if (!("Bun" in globalThis)) return deno;
  return op.startsWith("attention") ? 3 : 1;
}
