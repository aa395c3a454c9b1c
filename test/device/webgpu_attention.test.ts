// Every tile that may serve attention on a GPU: the op suite meets only the tables' first.
import { describe, expect, test } from "bun:test";
import { attentionOps } from "../../kernels/attention/attention.ts";
import {
  type AttentionCase,
  forwardExamples,
  gradientExamples,
} from "../../kernels/attention/examples.ts";
import {
  type Example,
  type GpuCandidate,
  type GpuFacts,
  isGpuChoice,
  type Op,
} from "../../kernels/op.ts";
import type { WebGpuDevice } from "../../src/device/webgpu/webgpu_device.ts";
import { checkForward, SEED } from "../support/op_checks.ts";
import { seededRandom } from "../support/random.ts";
import { webgpu } from "../support/webgpu.ts";

/** Extents that no tile divides, every mask; dropout, which takes long to compile, is the same text in all of them. */
const CASE: AttentionCase = {
  ...{ B: 4, T: 67, S: 67, H: 3, D: 20 },
  ...{ causal: true, padded: "some" },
};

const examples = {
  attention: forwardExamples,
  attention_gradient: gradientExamples,
};

const opOf = (name: string): Op<unknown> => {
  const op = attentionOps.find((each) => each.name === name);
  if (!op) throw new Error(`there is no op ${name}`);
  return op;
};

/** A software adapter takes seconds to compile each: it meets the last, and others with another WEFT_TEST_SEED. */
function triedOf(candidates: readonly GpuCandidate[], { isSoftware }: GpuFacts): GpuCandidate[] {
  return isSoftware
    ? [candidates[(candidates.length - 1 + SEED) % candidates.length]]
    : [...candidates];
}

function tileTests(device: WebGpuDevice): void {
  for (const [name, make] of Object.entries(examples)) {
    test(`${name}() agrees with its reference, whichever tiles serve`, async () => {
      const op = opOf(name);
      const [example]: Example<unknown>[] = make(seededRandom(SEED + 3), { "odd extents": CASE });
      const { attributes, inputs } = example;
      const spec = { attributes, inputs, outputs: op.infer(attributes, inputs) };
      const answer = op.webgpu(spec, device.facts);
      if (!isGpuChoice(answer)) throw new Error("too small for a choice");
      expect(answer.shapeClass).toBe("128x128 by 16, width 32, quads, padded, causal");
      expect(new Set(answer.candidates.map((each) => each.name)).size).toBe(
        answer.candidates.length,
      );
      for (const candidate of triedOf(answer.candidates, device.facts)) {
        await checkForward(device, { ...op, webgpu: () => candidate.dispatches() }, example);
      }
    }, 60_000);
  }

  test("attention() leaves no choice where there is little to compute", () => {
    const [{ attributes, inputs }] = forwardExamples(seededRandom(1), {
      small: { ...CASE, T: 5, S: 5 },
    });
    const op = opOf("attention");
    const spec = { attributes, inputs, outputs: op.infer(attributes, inputs) };
    expect(isGpuChoice(op.webgpu(spec, device.facts))).toBe(false);
  });
}

const gpu = webgpu;
if ("reason" in gpu) test.skip(`attention's tiles (${gpu.reason})`, () => {});
else describe("attention's tiles on webgpu", () => tileTests(gpu));
