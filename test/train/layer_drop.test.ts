// Layer drop: what a left-out layer's parameters go through, which is nothing at all.
import { expect, test } from "bun:test";
import { crossEntropy } from "../../src/criterions/cross_entropy.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { adam } from "../../src/optim/adam.ts";
import { TrainingStep } from "../../src/train/training_step.ts";

const settings = { adam_betas: [0.9, 0.98], adam_eps: 1e-8, weight_decay: 0.1 } as const;
const NAME = "encoder.layers.0.fc1.weight";
const NORMALIZATION = 0.25;
const LR = 0.01;

/** One step of Adam in float64 on a whole parameter; the step is counted from 1. */
function adamReference(
  state: { value: Float32Array; first: Float64Array; second: Float64Array },
  gradient: ArrayLike<number>,
  step: number,
): Float64Array {
  const [beta1, beta2] = settings.adam_betas;
  return Float64Array.from(state.value, (w, i) => {
    const g = gradient[i] * NORMALIZATION;
    state.first[i] = beta1 * state.first[i] + (1 - beta1) * g;
    state.second[i] = beta2 * state.second[i] + (1 - beta2) * g * g;
    const rate = (LR * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
    const decayed = w - settings.weight_decay * LR * w;
    return decayed - (rate * state.first[i]) / (Math.sqrt(state.second[i]) + settings.adam_eps);
  });
}

test("TrainingStep leaves a dropped layer's parameters alone, and does not count the update", async () => {
  const device = await openCpuDevice({ threads: 1, blas: "none" });
  const config = transformerConfig.parse({
    ...{ encoder_embed_dim: 8, encoder_ffn_embed_dim: 16, encoder_attention_heads: 2 },
    ...{ decoder_embed_dim: 8, decoder_ffn_embed_dim: 16, decoder_attention_heads: 2 },
    ...{ encoder_layers: 2, decoder_layers: 1, encoder_layerdrop: 0.5, dropout: 0 },
  });
  const vocabulary = { sourceSymbols: 12, targetSymbols: 12, padding: 1, sharedDictionary: true };
  const model = new TransformerModel(config, vocabulary);
  expect(model.droppableLayers).toEqual([
    { name: "encoder.layers.0", p: 0.5 },
    { name: "encoder.layers.1", p: 0.5 },
  ]);
  const parameters = bindParameters(model, model.droppableLayers);
  initializeParameters(model, device, 1);
  const optimizer = adam.build(
    { ...settings, adam_betas: [...settings.adam_betas] },
    { parameters },
  );
  const criterion = crossEntropy.build({}, { padding: 1, sentenceAvg: false });
  const step = new TrainingStep({
    ...{ device, model, parameters, criterion, optimizer, clipNorm: 0 },
    ...{ average: undefined, spans: undefined },
  });
  const tokens = (...data: number[]) => ({ data: Int32Array.from(data), shape: [1, data.length] });
  const sample = {
    srcTokens: tokens(4, 5, 6, 2),
    prevOutputTokens: tokens(2, 7, 8),
    target: tokens(7, 8, 2),
    padding: 1,
  };
  const update = async (number: number, steps: readonly number[], kept: readonly string[]) => {
    for (const [microBatch, layers] of kept.entries()) {
      const order = microBatch === 0 ? "first" : "more";
      step.gradients(sample, { seed: 1, update: number, microBatch }, order, layers);
    }
    const trained = kept.some(([first]) => first === "1") ? "11" : "01";
    await step.apply(LR, [number, ...steps], trained, NORMALIZATION).norm.read();
  };
  const slot = parameters.slot(NAME);
  const weightOf = async (name: string) => {
    const read = await device.read(parameters.slot(name).value);
    return Float32Array.from(read);
  };
  const everything = async () => {
    const variables = [slot.value, ...[...optimizer.state.values()].map((s) => s.slots.get(NAME))];
    return await Promise.all(variables.map((variable) => variable && device.read(variable)));
  };

  const expected = {
    value: await weightOf(NAME),
    first: new Float64Array(8 * 16),
    second: new Float64Array(8 * 16),
  };
  const follow = async (ownStep: number) => {
    const want = adamReference(expected, await device.read(slot.gradient), ownStep);
    expected.value = await weightOf(NAME);
    for (const [i, value] of want.entries()) expect(expected.value[i]).toBeCloseTo(value, 6);
  };
  await update(1, [1, 1], ["11"]);
  await follow(1);

  const [before, other] = [await everything(), await weightOf("encoder.layers.1.fc1.weight")];
  await update(2, [1, 2], ["01", "01"]);
  expect(await everything()).toEqual(before);
  expect(await weightOf("encoder.layers.1.fc1.weight")).not.toEqual(other);

  // In one of two micro-batches is in the update; the gradient of the other adds nothing.
  await update(3, [2, 3], ["01", "11"]);
  await follow(2);
  step.release();
  await device.close();
});
