// Every op that stands in kernels/index.ts, on every device present: the forward result against the
// float64 reference, and every gradient against central differences of that reference.
import { expect, test } from "bun:test";
import { add, mul } from "../../kernels/elementwise/index.ts";
import { ops } from "../../kernels/index.ts";
import { NdArray } from "../../kernels/nd_array.ts";
import type { Example, ExampleRandom, Op } from "../../kernels/op.ts";
import { sum } from "../../kernels/reduce/index.ts";
import type { Device } from "../../src/device/device.ts";
import type { HostArray } from "../../src/device/program.ts";
import { compile, type HostTensor } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { formatShape } from "../../src/tensor/shape.ts";
import { applyAll, constant, type Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";
import { seededRandom } from "../support/random.ts";

/** Elements of one input whose derivative is checked; central differences cost two forwards each. */
const PROBES = 16;
const STEP = 1e-4;
/** Another seed draws other shapes and numbers. */
const SEED = Number(process.env.WEFT_TEST_SEED ?? 0);

onEveryDevice((device) => {
  for (const op of ops) {
    test(`${op.name}() agrees with its reference`, async () => {
      const examples = op.examples(seededRandom(hash(op.name) + SEED));
      expect(examples.length).toBeGreaterThan(0);
      for (const example of examples) {
        await naming(op, example, () => checkForward(device, op, example));
      }
    });

    if (op.gradient) {
      test(`${op.name}() has the gradient of its reference`, async () => {
        const random = seededRandom(hash(op.name) + SEED + 1);
        for (const example of op.examples(seededRandom(hash(op.name) + SEED))) {
          await naming(op, example, () => checkGradient(device, op, example, random));
        }
      });
    }
  }
});

/** Says of a failing case all that it takes to meet it again. */
async function naming(
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

function hash(name: string): number {
  let value = 17;
  for (const letter of name) value = (Math.imul(value, 31) + letter.charCodeAt(0)) >>> 0;
  return value;
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

const inOrder = (inputs: Readonly<Record<string, Tensor>>, count: number): Tensor[] =>
  Array.from({ length: count }, (_, index) => inputs[`x${index}`]);

async function checkForward(device: Device, op: Op<unknown>, example: Example<unknown>) {
  const count = example.inputs.length;
  const run = compile(device, op.name, (inputs: Record<string, Tensor>) => {
    const outputs = applyAll(op, example.attributes, ...inOrder(inputs, count));
    return Object.fromEntries(outputs.map((output, index) => [`y${index}`, output]));
  });
  const results = run(hostTensors(example));
  const wanted = op.reference(example.attributes, references(example));
  for (const [index, want] of wanted.entries()) {
    const got = await results[`y${index}`].read();
    expectClose(got, want.data, example, `output ${index}`);
  }
  run.release();
}

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

async function checkGradient(
  device: Device,
  op: Op<unknown>,
  example: Example<unknown>,
  random: ExampleRandom,
) {
  const inputs = references(example);
  const checked =
    example.differentiate ??
    example.inputs.flatMap(({ dtype }, index) => (dtype === "f32" ? [index] : []));
  if (checked.length === 0) return;
  const outputs = op.reference(example.attributes, inputs);
  const specs = op.infer(example.attributes, example.inputs);
  const inLoss =
    example.lossOutputs ?? specs.flatMap(({ dtype }, index) => (dtype === "f32" ? [index] : []));
  const weights = outputs.map(({ size }) =>
    Float32Array.from({ length: size }, () => random.normal()),
  );
  const loss = (at: readonly NdArray[]): number => {
    const values = op.reference(example.attributes, at);
    let total = 0;
    for (const output of inLoss) {
      const { data } = values[output];
      for (let i = 0; i < data.length; i++) total += data[i] * weights[output][i];
    }
    return total;
  };

  const run = compile(device, `${op.name} gradient`, (symbolic: Record<string, Tensor>) => {
    const ordered = inOrder(symbolic, inputs.length);
    const results = applyAll(op, example.attributes, ...ordered);
    const terms = inLoss.map((output) =>
      sum(mul(results[output], constant(weights[output], results[output].shape))),
    );
    const gradients = gradient(
      terms.reduce((a, b) => add(a, b)),
      checked.map((index) => ordered[index]),
    );
    return Object.fromEntries(gradients.map((g, index) => [`g${index}`, g]));
  });
  const results = run(hostTensors(example));
  for (const [position, index] of checked.entries()) {
    const got = await results[`g${position}`].read();
    const { data } = inputs[index];
    for (let probe = 0; probe < Math.min(PROBES, data.length); probe++) {
      const at = data.length <= PROBES ? probe : random.int(0, data.length - 1);
      const numeric = centralDifference(loss, inputs, index, at);
      const tolerance = 2e-3 + 2e-3 * Math.abs(numeric);
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
