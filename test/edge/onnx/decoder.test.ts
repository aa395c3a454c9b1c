// ONNX Runtime against our own kernels: the same bundle, step by step.
import { expect, test } from "bun:test";
import { ACTIVATIONS } from "../../../edge/runtime/manifest.ts";
import type { TransformerConfig } from "../../../src/models/transformer/config.ts";
import { onnxDecoder, ownDecoder, randomFiles } from "./random_bundle.ts";
import { largestDifference, meanDifference, play, randomBatch } from "./scripted_search.ts";

const PRE_NORM = { encoder_normalize_before: true, decoder_normalize_before: true };

const VARIANTS: Readonly<Record<string, Partial<TransformerConfig>>> = {
  "post-norm": {},
  "pre-norm": PRE_NORM,
  "a pre-norm encoder and a post-norm decoder": { encoder_normalize_before: true },
  "a pre-norm decoder without a last norm": { ...PRE_NORM, no_decoder_final_norm: true },
  "all embeddings tied": { share_all_embeddings: true },
  "the decoder's embeddings tied": { share_decoder_input_output_embed: true },
  "learned positions": { encoder_learned_pos: true, decoder_learned_pos: true },
  "no positions": { no_token_positional_embeddings: true },
  "a norm on embeddings": { layernorm_embedding: true },
  "embeddings that are not scaled": { no_scale_embedding: true },
  "a decoder of other widths": {
    decoder_embed_dim: 24,
    decoder_ffn_embed_dim: 33,
    decoder_attention_heads: 2,
    decoder_input_dim: 16,
    decoder_output_dim: 20,
  },
  "one decoder layer on three": { encoder_layers: 3, decoder_layers: 1 },
};

/** Two sentences leave on the way; the caches begin with 32 slots. */
const script = {
  batch: randomBatch(3, [7, 12, 4]),
  beam: 3,
  steps: 8,
  leaving: [3, 6],
};

for (const [name, settings] of Object.entries(VARIANTS)) {
  test(`ONNX Runtime says what our kernels say for ${name}`, async () => {
    const files = await randomFiles(settings, "none");
    await expectEqual(files, script);
  });
}

for (const activation of ACTIVATIONS) {
  test(`ONNX Runtime says what our kernels say for ${activation}`, async () => {
    const files = await randomFiles({}, "none", ({ architecture, ...parts }) => ({
      ...parts,
      architecture: { ...architecture, activation_fn: activation },
    }));
    await expectEqual(files, script);
  });
}

test("ONNX Runtime says what our kernels say when caches grow, and at another temperature", async () => {
  const files = await randomFiles({}, "none");
  const long = { batch: randomBatch(4, [9, 33]), beam: 2, steps: 40, temperature: 1.7 };
  await expectEqual(files, { ...long, leaving: [35] });
  await expectEqual(files, { ...long, beam: 1, batch: randomBatch(6, [1]) });
});

/**
 * ONNX Runtime rounds all activations of a product with one scale, our kernels each row with its own: the
 * distributions differ, on random weights more than on trained ones, but far less than from step to step.
 */
for (const quantize of ["int8", "int4"] as const) {
  for (const [name, settings] of Object.entries({
    "post-norm": {},
    "pre-norm, all embeddings tied": { ...PRE_NORM, share_all_embeddings: true },
  })) {
    test(`ONNX Runtime says nearly what our kernels say in ${quantize}, ${name}`, async () => {
      const files = await randomFiles(settings, quantize);
      const [onnx, own] = [await onnxDecoder(files), await ownDecoder(files)];
      const [a, b] = [await play(onnx, script), await play(own, script)];
      for (const [step, { logProbs = [] }] of a.entries()) {
        const wanted = b[step].logProbs ?? [];
        expect(meanDifference(logProbs, wanted)).toBeLessThan(0.06);
      }
      onnx.close();
      own.close();
    });
  }
}

async function expectEqual(
  files: Awaited<ReturnType<typeof randomFiles>>,
  played: Parameters<typeof play>[1],
): Promise<void> {
  const [onnx, own] = [await onnxDecoder(files), await ownDecoder(files)];
  const [a, b] = [await play(onnx, played), await play(own, played)];
  for (const [step, { logProbs = [], attention = [] }] of a.entries()) {
    expect(largestDifference(logProbs, b[step].logProbs ?? [])).toBeLessThan(1e-4);
    expect(largestDifference(attention, b[step].attention ?? [])).toBeLessThan(1e-5);
  }
  onnx.close();
  expect(onnx.model.memory.used).toBe(0);
  own.close();
}
