// The Transformer against fairseq: logits, losses, every gradient, and incremental decoding.
import { expect } from "bun:test";
import { logSoftmax } from "../../kernels/softmax/index.ts";
import type { Criterion } from "../../src/criterions/criterion.ts";
import { crossEntropy } from "../../src/criterions/cross_entropy.ts";
import { labelSmoothedCrossEntropy } from "../../src/criterions/label_smoothed_cross_entropy.ts";
import { compile } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { readVariable } from "../../src/engine/trace.ts";
import { DeviceStepDecoder } from "../../src/models/device_step_decoder.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import {
  type PackingInputs,
  packedInputs,
  type SampleInputs,
} from "../../src/train/host_sample.ts";
import { onEveryDevice } from "../support/devices.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { expectTensor, type GoldenTensor, readTensors } from "../support/tensors.ts";
import { goldenTransformer } from "./golden_transformer.ts";

const MODELS = [
  "transformer_postnorm",
  "transformer_prenorm_shared",
  "transformer_learned",
  "transformer_odd",
  "transformer_layerdrop",
];

/**
 * The same network with another criterion, which weft has not: it teaches one layer's attention, and the
 * goldens' attention is that layer's. All else must agree.
 */
const ALIGNED = ["transformer_align", "transformer_align_full"];

/** The last golden has losses of that criterion alone. */
const WITH_LOSSES = [...MODELS, "transformer_align"];

interface Expected {
  readonly criteria: Readonly<
    Record<
      string,
      {
        criterion: string;
        settings: {
          sentence_avg: boolean;
          eps?: number;
          ignore_prefix_size?: number;
          report_accuracy?: boolean;
        };
        loss: number;
        sample_size: number;
        logging_output: Readonly<Record<string, number>>;
        no_grad: readonly string[];
      }
    >
  >;
}

const tensor = (tensors: Map<string, GoldenTensor>, name: string): GoldenTensor => {
  const found = tensors.get(name);
  if (!found) throw new Error(`the golden has no ${name}`);
  return found;
};

function criterionOf(
  { criterion, settings }: Expected["criteria"][string],
  padding: number,
): Criterion {
  const context = { padding, sentenceAvg: settings.sentence_avg };
  if (criterion === "cross_entropy") return crossEntropy.build({}, context);
  return labelSmoothedCrossEntropy.build(
    {
      label_smoothing: settings.eps ?? 0,
      report_accuracy: settings.report_accuracy ?? false,
      ignore_prefix_size: settings.ignore_prefix_size ?? 0,
    },
    context,
  );
}

onEveryDevice((device) => {
  for (const name of [...MODELS, ...ALIGNED]) {
    goldenTest(
      `${name} computes fairseq's logits and log-probabilities`,
      `models/${name}`,
      async () => {
        const { model, sample } = goldenTransformer(name, device);
        const expected = readTensors(`models/${name}/expected.safetensors`);
        const run = compile(
          device,
          name,
          ({ srcTokens, prevOutputTokens }: Record<string, Tensor>) => {
            const logits = model.forward(srcTokens, prevOutputTokens);
            return { logits, logProbs: logSoftmax(logits) };
          },
        );
        const { srcTokens, prevOutputTokens } = sample;
        const results = run({ srcTokens, prevOutputTokens });
        expectTensor("logits", await results.logits.read(), tensor(expected, "logits").data, 2e-5);
        expectTensor(
          "log_probs",
          await results.logProbs.read(),
          tensor(expected, "log_probs").data,
          2e-5,
        );
        run.release();
      },
    );

    goldenTest(`${name} decodes step by step as it does at once`, `models/${name}`, async () => {
      const { model, sample, config } = goldenTransformer(name, device);
      const expected = tensor(readTensors(`models/${name}/expected.safetensors`), "log_probs");
      const [B, T, V] = expected.shape;
      const padding = config.dictionary.pad;
      const decoder = new DeviceStepDecoder(device, model, { vocabulary: V, padding });
      const [, width] = sample.srcTokens.shape;
      const tokens = sample.srcTokens.data as Int32Array;
      const state = await decoder.start(
        { tokens, sentences: B, width },
        { beam: 1, temperature: 1, attention: true },
      );
      const attention = tensor(readTensors(`models/${name}/expected.safetensors`), "attn");
      const previous = sample.prevOutputTokens.data as Int32Array;
      for (let step = 0; step < T; step++) {
        const column = Int32Array.from({ length: B }, (_, row) => previous[row * T + step]);
        const reorder = step === 0 ? undefined : Int32Array.from({ length: B }, (_, row) => row);
        const got = await state.step({
          step,
          rows: B,
          tokens: column,
          reorder,
          keptSentences: undefined,
        });
        for (let row = 0; row < B; row++) {
          if (column[row] === padding) continue;
          const at = (row * T + step) * V;
          const want = expected.data.subarray(at, at + V);
          const what = `step ${step}, row ${row}`;
          expectTensor(what, got.logProbs.subarray(row * V, (row + 1) * V), want, 2e-5);
          if (ALIGNED.includes(name)) continue;
          const from = (row * T + step) * width;
          const seen = attention.data.subarray(from, from + width);
          const weights = got.attention?.subarray(row * width, (row + 1) * width) ?? [];
          expectTensor(`attention of ${what}`, weights, seen, 1e-6);
        }
      }
      decoder.close();
    });
  }

  for (const name of WITH_LOSSES) {
    goldenTest(`${name} has fairseq's losses and gradients`, `models/${name}`, async () => {
      const { model, parameters, sample, config } = goldenTransformer(name, device);
      const tensors = readTensors(`models/${name}/expected.safetensors`);
      const { criteria } = readGolden<Expected>(`models/${name}/expected.json`);
      for (const [key, expected] of Object.entries(criteria)) {
        if (expected.criterion.endsWith("_with_alignment")) continue;
        const criterion = criterionOf(expected, config.dictionary.pad);
        const slots = [...parameters.slots];
        const run = compile<SampleInputs, string, PackingInputs>(device, key, (inputs) => {
          const sums = criterion.forward(model, inputs);
          const gradients = gradient(
            sums.loss,
            slots.map(([, { value }]) => readVariable(value)),
          );
          const named = slots.map(([parameter], i) => [`grad/${parameter}`, gradients[i]] as const);
          return { ...sums, ...Object.fromEntries(named) } as Record<string, Tensor>;
        });
        const packed = packedInputs({ ...sample, padding: config.dictionary.pad });
        expect(packed.targetRows).toBeDefined();
        expect(packed.targetRows?.shape).not.toEqual([packed.target.data.length]);
        for (const [how, inputs] of Object.entries({ whole: sample, packed })) {
          const results = run(inputs);
          const [loss] = await results.loss.read();
          expect(Math.abs(loss - expected.loss)).toBeLessThan(2e-6 * Math.abs(expected.loss));
          for (const logged of ["nll_loss", "n_correct", "total"]) {
            if (!(logged in expected.logging_output)) continue;
            const [got] = await results[logged].read();
            expect(Math.abs(got - expected.logging_output[logged])).toBeLessThan(3e-4);
          }
          for (const [parameter] of slots) {
            const want = tensors.get(`grad/${key}/${parameter}`);
            const got = await results[`grad/${parameter}`].read();
            const what = `${key}, ${how}: gradient of ${parameter}`;
            if (want) expectTensor(what, got, want.data, 1e-4, 1e-4);
            else expect(expected.no_grad).toContain(parameter);
          }
        }
        expect(criterion.sampleSize(config.batch)).toBe(expected.sample_size);
        run.release();
      }
    });
  }
});
