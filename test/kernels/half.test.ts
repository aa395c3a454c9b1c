// Every op that takes f16, with f16 inputs on webgpu: native, and packed as on an adapter without f16.
import { afterAll, describe, test } from "bun:test";
import { ops } from "../../kernels/index.ts";
import type { Example, Op } from "../../kernels/op.ts";
import { roundToHalf } from "../../src/tensor/half.ts";
import {
  checkForward,
  checkGradient,
  examplesOf,
  hash,
  naming,
  SEED,
  strideOf,
} from "../support/op_checks.ts";
import { openAs, webgpu } from "../support/webgpu.ts";

/** Half a unit in the last place, twice; and what rounding in the midst of a norm brings. */
const RELATIVE = 2 ** -10;
const ABSOLUTE = 2e-3;
/** Gradients pass through a rounding per op. */
const GRADIENT = 2e-2;

/** The case with f16 in place of f32 where the op may have it; undefined where it has none. */
function halved(op: Op<unknown>, example: Example<unknown>): Example<unknown> | undefined {
  const { halfInputs = [] } = op;
  const inputs = example.inputs.map((input, index) => {
    const isHalf = input.dtype === "f32" && (halfInputs === "all" || halfInputs.includes(index));
    return isHalf ? { ...input, dtype: "f16" as const, data: input.data.map(roundToHalf) } : input;
  });
  if (inputs.every(({ dtype }) => dtype !== "f16")) return undefined;
  const { absolute = 0, relative = 0 } = example;
  return {
    ...example,
    inputs,
    absolute: Math.max(absolute, ABSOLUTE),
    relative: Math.max(relative, RELATIVE),
  };
}

/** @param every so many-th case is tried, at most: texts differ little. */
function suiteOf(name: string, device: Parameters<typeof checkForward>[0], every: number): void {
  describe(name, () => {
    for (const op of ops.filter(({ halfInputs }) => halfInputs !== undefined)) {
      test(`${op.name}() of f16 agrees with its reference`, async () => {
        const examples = examplesOf(op).flatMap((example) => halved(op, example) ?? []);
        const seed = hash(op.name) + SEED + 1;
        const stride = every * strideOf(device, op.name, 4);
        for (const [number, example] of examples.entries()) {
          if (number % stride !== 0) continue;
          await naming(op, example, () => checkForward(device, op, example));
          if (op.gradient && number === 0) {
            await naming(op, example, () => checkGradient(device, op, example, seed, GRADIENT));
          }
        }
      });
    }
  });
}

if ("reason" in webgpu) test.skip(`f16 (${webgpu.reason})`, () => {});
else {
  if (webgpu.facts.f16) suiteOf("native f16", webgpu, 4);
  else test.skip("native f16 (the adapter has none)", () => {});
  const packed = await openAs({ f16: false });
  suiteOf("packed f16", packed, 8);
  afterAll(() => packed.close());
}
