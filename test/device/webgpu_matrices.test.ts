// Products by matrix units. Mesa's llvmpipe has them since 26 (vectors of 256 bits or more), Dawn shows
// them through the npm package `webgpu`; docs/engine.md says how to run this where neither is installed.
import { describe, expect, test } from "bun:test";
import { matmulOp } from "../../kernels/matmul/matmul.ts";
import { type GpuFacts, isGpuChoice } from "../../kernels/op.ts";
import { probeSubgroupMatrix } from "../../src/device/webgpu/subgroup_matrix.ts";
import { f16 } from "../../src/tensor/shape.ts";
import {
  candidatesOf,
  errorOf,
  FORMS,
  type Form,
  type ProductCase,
} from "../support/gpu_products.ts";
import { webgpu } from "../support/webgpu.ts";

const SEED = Number(process.env.WEFT_TEST_SEED ?? 0);

/** Sizes that no tile divides, loaded by elements and by quads; long sums that are cut. */
const cases: Readonly<Record<string, ProductCase>> = {
  odd: { M: 69, N: 37, K: 67 },
  "of quads, sums that are cut": { M: 140, N: 132, K: 1036 },
  "batch, odd": { M: 35, N: 66, K: 67, batch: 3 },
  "batch, of quads": { M: 36, N: 68, K: 76, batch: 2 },
};

const isMatrices = ({ name }: { readonly name: string }): boolean => name.startsWith("matrices");

test("f16 products have no kernel for matrix units where there are none", () => {
  const facts = {
    ...{ f16: true, maxWorkgroupSize: 1024, maxWorkgroupMemory: 2 ** 15 },
    ...{ maxWorkgroupsPerDimension: 65535, subgroups: { min: 32, max: 32 } },
  };
  const [a, b, c] = [f16(512, 512), f16(512, 512), f16(512, 512)];
  const attributes = { transA: false, transB: false, merge: true };
  const namesWith = (matrix: { M: number; N: number; K: number } | undefined) => {
    const answer = matmulOp.webgpu(
      { attributes, inputs: [a, b], outputs: [c] },
      { ...facts, subgroupMatrix: matrix && { ...matrix, layout: "parameter" } },
    );
    return isGpuChoice(answer) ? answer.candidates.map(({ name }) => name) : [];
  };
  expect(namesWith(undefined).filter((name) => isMatrices({ name }))).toEqual([]);
  // With units of NVIDIA's size they come first.
  expect(isMatrices({ name: namesWith({ M: 16, N: 16, K: 16 })[0] })).toBe(true);
});

const device = webgpu;
const missing =
  "reason" in device
    ? device.reason
    : device.facts.subgroupMatrix
      ? undefined
      : `${device.facts.name}, ${device.facts.provider}: no subgroup matrices`;

if ("reason" in device || missing !== undefined) test.skip(`matrices (${missing})`, () => {});
else {
  const agrees = async (one: ProductCase, form: Form, index: number, facts?: Partial<GpuFacts>) => {
    const { name } = candidatesOf(device, one, form, "f16")[index];
    const error = await errorOf(device, one, form, index, { dtype: "f16", facts, seed: SEED });
    expect({ name, error: error < 2e-3 || error }).toEqual({ name, error: true });
  };
  const matricesOf = (one: ProductCase, form: Form): number[] =>
    candidatesOf(device, one, form, "f16").flatMap((each, at) => (isMatrices(each) ? [at] : []));

  describe("products by matrix units", () => {
    // Each candidate meets some forms and sizes; the seed turns them. Compiling one takes up to 20 s here.
    for (const [at, [name, sizes]] of Object.entries(cases).entries()) {
      for (const [number, form] of FORMS.entries()) {
        const what = `${form.transA ? "A^T" : "A"} ${form.transB ? "B^T" : "B"}`;
        test(`${what} agrees with float64: ${name}`, async () => {
          const those = matricesOf(sizes, form);
          await agrees(sizes, form, those[(at * FORMS.length + number + SEED) % those.length]);
        }, 120_000);
      }
    }

    const [form] = FORMS;
    const smallest = matricesOf(cases.odd, form).at(-1) ?? 0;
    test("are right in the older spelling, too", async () => {
      const { subgroupMatrix } = device.facts;
      const older = subgroupMatrix && ({ ...subgroupMatrix, layout: "argument" } as const);
      await agrees(cases.odd, form, smallest, { subgroupMatrix: older });
    }, 120_000);

    test("are right where subgroups are narrower than the widest", async () => {
      const { subgroups } = device.facts;
      const wider = subgroups && { min: subgroups.min, max: 2 * subgroups.max };
      await agrees(cases.odd, form, smallest, { subgroups: wider });
    }, 120_000);
  });

  test("probeSubgroupMatrix() finds what the adapter has, whether it is told the sizes or not", async () => {
    const { subgroupMatrix, subgroups } = device.facts;
    const lanes = subgroups?.max ?? 0;
    expect(subgroupMatrix).toBeDefined();
    expect(await probeSubgroupMatrix(device.gpu, undefined, lanes)).toMatchObject({
      ...subgroupMatrix,
    });
    const listed = { M: 5, N: 5, K: 5, componentType: "f16", resultComponentType: "f32" };
    // Sizes that no adapter has, and matrices of other numbers.
    expect(await probeSubgroupMatrix(device.gpu, [listed], lanes)).toMatchObject({
      reason: expect.stringContaining("5x5x5, layout as parameter: "),
    });
    const integers = { ...listed, ...subgroupMatrix, componentType: "i8" };
    expect(await probeSubgroupMatrix(device.gpu, [integers], lanes)).toEqual({
      reason: "it lists none of f16 with sums in f32",
    });
  });

  test("startWebGpuDevice() tells the sizes that it found right", () => {
    expect(device.description).toMatch(/subgroup matrices of \d+x\d+x\d+/);
  });
}
