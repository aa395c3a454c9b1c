// Every kernel that may serve a product on a GPU, on sizes that no tile divides: the op suite meets only
// the tables' first, and mostly small products.
import { describe, expect, test } from "bun:test";
import { productWgsl } from "../../kernels/matmul/wgsl.ts";
import { type GpuCandidate, isGpuChoice, type Op } from "../../kernels/op.ts";
import type { Buffer, Value } from "../../src/device/program.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { f32 } from "../../src/tensor/shape.ts";
import { seededRandom } from "../support/random.ts";
import { webgpu } from "../support/webgpu.ts";

const SEED = Number(process.env.WEFT_TEST_SEED ?? 0);

interface Case {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch?: number;
}

/** Odd sizes, whose elements are loaded one by one, and sizes that let quads be loaded. */
const cases: Readonly<Record<string, Case>> = {
  "wide, odd": { M: 69, N: 37, K: 67 },
  "wide and deep, of quads": { M: 140, N: 132, K: 1036 },
  "few rows, odd": { M: 11, N: 131, K: 77 },
  "few rows, of quads": { M: 9, N: 132, K: 140 },
  "few columns, odd": { M: 203, N: 9, K: 67 },
  "batch, odd": { M: 35, N: 66, K: 67, batch: 3 },
};

const FORMS = [
  { transA: false, transB: true },
  { transA: false, transB: false },
  { transA: true, transB: false },
  { transA: true, transB: true },
] as const;

type Form = (typeof FORMS)[number];

/** relu(A B + bias), and the same before relu. */
function operandsOf({ M, N, K, batch = 1 }: Case, { transA, transB }: Form) {
  const random = seededRandom(M * N * K + SEED);
  const normals = (size: number) => Float32Array.from({ length: size }, () => random.normal());
  const [a, b, bias] = [normals(batch * M * K), normals(batch * K * N), normals(N)];
  const shape = {
    ...{ M, N, K, batch, transA, transB, accumulate: false, activation: "relu" as const },
    ...{ lda: transA ? M : K, ldb: transB ? K : N, ldc: N },
    strides: [M * K, K * N, M * N] as const,
  };
  const wanted = new Float64Array(batch * M * N);
  for (let at = 0; at < wanted.length; at++) {
    const [i, row, column] = [Math.floor(at / (M * N)), Math.floor(at / N) % M, at % N];
    let sum = bias[column];
    for (let k = 0; k < K; k++) {
      sum +=
        a[i * M * K + (transA ? k * M + row : row * K + k)] *
        b[i * K * N + (transB ? column * K + k : k * N + column)];
    }
    wanted[at] = sum;
  }
  return { shape, data: [a, b, bias], wanted };
}

const BINDINGS = {
  ...{ a: { input: 0 }, b: { input: 1 }, bias: { input: 2 } },
  ...{ c: { output: 0 }, pre: { output: 1 } },
} as const;

function candidatesOf(device: WebGpuDevice, one: Case, form: Form): readonly GpuCandidate[] {
  const answer = productWgsl(operandsOf(one, form).shape, BINDINGS, device.facts);
  if (!isGpuChoice(answer)) throw new Error("too small for a choice");
  return answer.candidates;
}

/** Largest error of a candidate, over both outputs. */
async function errorOf(
  device: WebGpuDevice,
  one: Case,
  form: Form,
  index: number,
  isSoftware = device.facts.isSoftware,
) {
  const { shape, data, wanted } = operandsOf(one, form);
  const op = {
    name: "product",
    webgpu: (_: unknown, facts: WebGpuDevice["facts"]) => {
      const answer = productWgsl(shape, BINDINGS, { ...facts, isSoftware });
      return isGpuChoice(answer) ? answer.candidates[index].dispatches() : answer;
    },
  };
  const size = wanted.length;
  const temporary: Buffer = { kind: "temporary", bytes: size * 4, first: 0, last: 1 };
  const values = [...data.map(({ length }) => length), size, size].map(
    (length, buffer): Value => ({ spec: f32(length), buffer, offset: 0 }),
  );
  const prepared = device.prepare({
    name: "product",
    buffers: [
      ...data.map((host): Buffer => ({ kind: "constant", bytes: host.byteLength, data: host })),
      temporary,
      temporary,
    ],
    values,
    instructions: [
      { op: op as unknown as Op<unknown>, attributes: {}, inputs: [0, 1, 2], outputs: [3, 4] },
    ],
    inputs: [],
    outputs: [
      { name: "y", value: 3 },
      { name: "pre", value: 4 },
    ],
  });
  const [y, pre] = await Promise.all(prepared.run([]).map((result) => result.read()));
  prepared.release();
  expect(y).toHaveLength(size);
  let worst = 0;
  for (const [at, value] of wanted.entries()) {
    worst = Math.max(worst, Math.abs(pre[at] - value), Math.abs(y[at] - Math.max(value, 0)));
  }
  return worst;
}

const device = webgpu;
if ("reason" in device) test.skip(`productWgsl() (${device.reason})`, () => {});
else {
  describe("productWgsl()", () => {
    for (const [number, [name, sizes]] of Object.entries(cases).entries()) {
      test(`multiplies, adds the bias and activates by every candidate: ${name}`, async () => {
        // Each candidate meets one form here and another one in the next case; the seed turns them.
        const most = candidatesOf(device, sizes, FORMS[0]).length;
        for (let index = 0; index < most; index++) {
          const form = FORMS[(index + number + SEED) % FORMS.length];
          const candidates = candidatesOf(device, sizes, form);
          if (index >= candidates.length) continue;
          // Compiling costs seconds here. Loads by elements are the same text in every tile, and every
          // candidate meets sizes of quads: here some of them do, others with another seed.
          if (name.endsWith("odd") && most > 1 && (index + SEED) % 4 !== 0) continue;
          const error = await errorOf(device, sizes, form, index);
          const what = `${candidates[index].name}, ${JSON.stringify(form)}`;
          expect({ what, error: error < 5e-4 || error }).toEqual({ what, error: true });
        }
      }, 300_000);
    }

    test("multiplies by the text that a GPU gets", async () => {
      const sizes = { M: 140, N: 132, K: 44 };
      expect(await errorOf(device, sizes, FORMS[0], 0, false)).toBeLessThan(1e-4);
    }, 300_000);
  });
}
