// Positions that are padding may be left out: of that no criterion's sums and no gradient may tell.
import { afterAll, expect, test } from "bun:test";
import { equal, where } from "../../kernels/elementwise/index.ts";
import type { Criterion } from "../../src/criterions/criterion.ts";
import { crossEntropy } from "../../src/criterions/cross_entropy.ts";
import { labelSmoothedCrossEntropy } from "../../src/criterions/label_smoothed_cross_entropy.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { compile } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { readVariable } from "../../src/engine/trace.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { constant, type Tensor } from "../../src/tensor/tensor.ts";
import {
  type PackingInputs,
  packedInputs,
  type SampleInputs,
} from "../../src/train/host_sample.ts";
import { expectTensor } from "../support/tensors.ts";

const [PAD, V] = [1, 12];
const device = await openCpuDevice({ threads: 1, blas: "none" });
afterAll(() => device.close());

const side = (name: string) => ({
  [`${name}_embed_dim`]: 8,
  [`${name}_ffn_embed_dim`]: 16,
  [`${name}_attention_heads`]: 2,
  [`${name}_layers`]: 2,
});
const config = transformerConfig.parse({ ...side("encoder"), ...side("decoder"), dropout: 0 });
const context = { sourceSymbols: V, targetSymbols: V, padding: PAD, sharedDictionary: true };

/** As a plug-in may have it: another source, and no word of packed positions. */
class Masking extends TransformerModel {
  override forward(srcTokens: Tensor, prevOutputTokens: Tensor): Tensor {
    const word = (token: number) => constant(Int32Array.of(token), []);
    const masked = where(equal(srcTokens, word(5)), word(3), srcTokens);
    return super.forward(masked, prevOutputTokens);
  }
}

const rows = (width: number, ...lines: number[][]) => ({
  data: Int32Array.from(
    lines.flatMap((line) => [...line, ...Array(width - line.length).fill(PAD)]),
  ),
  shape: [lines.length, width],
});
const sample = {
  srcTokens: rows(5, [4, 5, 6, 7, 2], [8, 5, 9, 10, 2], [5, 5, 11, 4, 2]),
  prevOutputTokens: rows(9, [2, 4], [2, 7, 8, 9, 10, 11, 4, 5, 6], [2, 6, 5, 4]),
  target: rows(9, [4, 2], [7, 8, 9, 10, 11, 4, 5, 6, 2], [6, 5, 4, 2]),
  padding: PAD,
};

const labelSmoothed = (ignore_prefix_size: number): Criterion =>
  labelSmoothedCrossEntropy.build(
    { label_smoothing: 0.1, report_accuracy: true, ignore_prefix_size },
    { padding: PAD, sentenceAvg: false },
  );
const criterions: Record<string, Criterion> = {
  cross_entropy: crossEntropy.build({}, { padding: PAD, sentenceAvg: false }),
  label_smoothed_cross_entropy: labelSmoothed(0),
  "label_smoothed_cross_entropy without prefixes": labelSmoothed(1),
  "label_smoothed_cross_entropy of nothing": labelSmoothed(20),
};

for (const Model of [TransformerModel, Masking]) {
  for (const [name, criterion] of Object.entries(criterions)) {
    test(`${name} of a ${Model.name} is the same of packed positions`, async () => {
      const model = new Model(config, context);
      const parameters = bindParameters(model);
      initializeParameters(model, device, 3);
      const slots = [...parameters.slots];
      const run = compile<SampleInputs, string, PackingInputs>(device, name, (inputs) => {
        const sums = criterion.forward(model, inputs);
        const gradients = gradient(
          sums.loss,
          slots.map(([, { value }]) => readVariable(value)),
        );
        return { ...sums, ...Object.fromEntries(slots.map(([key], i) => [key, gradients[i]])) };
      });
      const { padding: _, ...whole } = sample;
      const packed = packedInputs(sample);
      expect(packed.targetRows?.shape).toEqual([15]);
      const [want, got] = [run(whole), run(packed)];
      for (const key of Object.keys(want)) {
        expectTensor(key, await got[key].read(), await want[key].read(), 1e-5, 1e-5);
      }
      run.release();
    });
  }
}
