// Decoding steps over caches against the teacher-forced pass, on batches drawn anew with every
// WEFT_TEST_SEED: sources of different lengths, hypotheses that change places and come from one another,
// sentences that leave, batches that outgrow what the caches hold.
import { expect, test } from "bun:test";
import process from "node:process";
import type { ExampleRandom } from "../../kernels/op.ts";
import { logSoftmax } from "../../kernels/softmax/index.ts";
import type { StepInput } from "../../src/decode/step_decoder.ts";
import { rowCandidates } from "../../src/decode/token_rules.ts";
import type { Device } from "../../src/device/device.ts";
import { compile } from "../../src/engine/compile.ts";
import { DeviceStepDecoder } from "../../src/models/device_step_decoder.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { onEveryDevice } from "../support/devices.ts";
import { seededRandom } from "../support/random.ts";
import { expectTensor } from "../support/tensors.ts";

const { WEFT_TEST_SEED: given } = process.env;
const seed = Number(given ?? 1);
const [V, padding, eos] = [37, 1, 2];

/** (rows, width), lengths from 1 to `width`, the first row whole; padded on one side. */
function sources(random: ExampleRandom, rows: number, width: number): Int32Array {
  const tokens = new Int32Array(rows * width).fill(padding);
  for (let row = 0; row < rows; row++) {
    const length = row === 0 ? width : random.int(1, width);
    const first = random.int(0, 1) === 1 ? 0 : width - length;
    for (let i = 0; i < length; i++) tokens[row * width + first + i] = random.int(4, V - 1);
  }
  return tokens;
}

function randomModel(
  device: Device,
  { normalizeBefore = false, layers = 2 }: { normalizeBefore?: boolean; layers?: number },
): TransformerModel {
  const side = { embed_dim: 24, ffn_embed_dim: 40, layers: 2, normalize_before: normalizeBefore };
  const both = Object.entries(side).flatMap(([key, value]) => [
    [`encoder_${key}`, value],
    [`decoder_${key}`, value],
  ]);
  // Heads 8 and 12 wide: one that the kernels take as it is, one that they pad.
  const heads = { encoder_attention_heads: 2, decoder_attention_heads: normalizeBefore ? 3 : 2 };
  const config = transformerConfig.parse({
    ...{ ...Object.fromEntries(both), ...heads },
    decoder_layers: layers,
  });
  const symbols = { sourceSymbols: V, targetSymbols: V, padding, sharedDictionary: true };
  const model = new TransformerModel(config, symbols);
  bindParameters(model);
  initializeParameters(model, device, seed);
  return model;
}

/** What one pass over whole prefixes says of the token behind each: (R, V), and attention (R, S). */
function atOnce(device: Device, model: TransformerModel) {
  const run = compile(device, "at once", ({ srcTokens, previous }) => {
    const { logits, attention } = model.forwardWithAttention(srcTokens, previous);
    if (!attention) throw new Error("the model shows no attention");
    return { logProbs: logSoftmax(logits), attention };
  });
  return async (srcTokens: Int32Array, S: number, prefixes: readonly number[][]) => {
    const R = prefixes.length;
    const T = prefixes[0].length;
    const { logProbs, attention } = run({
      srcTokens: { data: srcTokens, shape: [R, S] },
      previous: { data: Int32Array.from(prefixes.flat()), shape: [R, T] },
    });
    const last = (all: ArrayLike<number>, columns: number): Float32Array =>
      Float32Array.from({ length: R * columns }, (_, i) => {
        const row = Math.trunc(i / columns);
        return all[(row * T + T - 1) * columns + (i % columns)];
      });
    return {
      logProbs: last((await logProbs.read()) as Float32Array, V),
      attention: last((await attention.read()) as Float32Array, S),
    };
  };
}

onEveryDevice((device) => {
  test("DeviceStepDecoder decodes with a decoder of no layers", async () => {
    const model = randomModel(device, { layers: 0 });
    const decoder = new DeviceStepDecoder(device, model, { vocabulary: V, padding });
    const options = { beam: 2, temperature: 1, attention: false, maxLength: 4 };
    const state = await decoder.start(
      { tokens: Int32Array.of(5, eos), sentences: 1, width: 2 },
      options,
    );
    const input = { step: 0, rows: 2, tokens: Int32Array.of(eos, eos) };
    const { logProbs } = await state.step({
      ...input,
      ...{ reorder: undefined, keptSentences: undefined },
    });
    const total = logProbs.subarray(0, V).reduce((sum, x) => sum + Math.exp(x), 0);
    expect(total).toBeCloseTo(1, 4);
    state.close?.();
    decoder.close();
  });

  for (const normalizeBefore of [false, true]) {
    const kind = normalizeBefore ? "pre-norm" : "post-norm";
    test(`DeviceStepDecoder, ${kind}, says what the pass over whole prefixes says (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const model = randomModel(device, { normalizeBefore });
      const expected = atOnce(device, model);
      const decoder = new DeviceStepDecoder(device, model, { vocabulary: V, padding });
      for (const [batch, attention] of [false, true, false].entries()) {
        // The last one's sources are wider than the plans of those before can read.
        const [width, sentences] =
          batch < 2 ? [random.int(1, 20), random.int(2, 7)] : [random.int(257, 280), 2];
        const beam = random.int(1, 6);
        const tokens = sources(random, sentences, width);
        const state = await decoder.start(
          { tokens, sentences, width },
          { beam, temperature: 1, attention, maxLength: 12 },
        );
        let live = Array.from({ length: sentences }, (_, i) => i);
        let prefixes = Array.from({ length: sentences * beam }, () => [eos]);
        let input: StepInput = {
          ...{ step: 0, rows: prefixes.length, tokens: Int32Array.from(prefixes.flat()) },
          ...{ reorder: undefined, keptSentences: undefined },
        };
        for (let step = 0; step < 9; step++) {
          const ofRows = live.flatMap((i) =>
            Array.from({ length: beam }, () => [...tokens.subarray(i * width, (i + 1) * width)]),
          );
          const want = await expected(Int32Array.from(ofRows.flat()), width, prefixes);
          const what = `batch ${batch}, step ${step}`;
          if (random.int(0, 1) === 1 || !state.candidates) {
            const got = await state.step(input);
            expectTensor(what, got.logProbs, want.logProbs, 2e-5);
            if (attention) expectTensor(what, got.attention ?? [], want.attention, 2e-5);
          } else {
            const scores = Float32Array.from(prefixes, () => random.normal());
            const rules = {
              ...{ banned: [padding], only: undefined, penalised: 3, penalty: 0.5 },
              ...{ forced: undefined, rowBans: undefined },
            };
            const request = { count: 2 * beam, scores, rules };
            const got = await state.candidates(input, request);
            const best = rowCandidates(want.logProbs, prefixes.length, V, request);
            expectTensor(`candidates of ${what}`, got.scores, best.scores, 3e-5);
            // Which of two tokens comes first where their scores agree is rounding's choice.
            for (const [i, token] of best.tokens.entries()) {
              const { scores: all } = best;
              const rank = i % request.count;
              const apart = (other: number) => Math.abs(all[i] - all[other]) > 1e-4;
              const isClear =
                rank + 1 < request.count && apart(i + 1) && (rank === 0 || apart(i - 1));
              if (isClear) expect(got.tokens[i]).toBe(token);
            }
            if (attention) expectTensor(what, got.attention ?? [], want.attention, 2e-5);
          }
          const kept = live.flatMap((_, i) => (random.int(0, 4) === 0 ? [] : [i]));
          if (kept.length === 0) break;
          const reorder = kept.flatMap((i) =>
            Array.from({ length: beam }, () => i * beam + random.int(0, beam - 1)),
          );
          const said = Int32Array.from(reorder, () => random.int(4, V - 1));
          prefixes = reorder.map((parent, row) => [...prefixes[parent], said[row]]);
          const all = kept.length === live.length;
          live = kept.map((i) => live[i]);
          input = {
            ...{ step: step + 1, rows: reorder.length, tokens: said },
            reorder: Int32Array.from(reorder),
            keptSentences: all ? undefined : Int32Array.from(kept),
          };
        }
        state.close?.();
      }
      decoder.close();
    });
  }
});
