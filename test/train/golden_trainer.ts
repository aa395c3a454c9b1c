// The parts of a golden training run: its trainer, its batches, and what its parameters should be.
import { labelSmoothedCrossEntropy } from "../../src/criterions/label_smoothed_cross_entropy.ts";
import { planBatches } from "../../src/data/epoch_batches.ts";
import { loadLanguagePairs, openLanguagePairFolder } from "../../src/data/load_language_pairs.ts";
import type { Device } from "../../src/device/device.ts";
import { isFairseqBuffer, renameFairseqTensors } from "../../src/interop/fairseq_names.ts";
import { float32Tensor, toFloat32 } from "../../src/interop/stored_tensor.ts";
import { inverseSqrt } from "../../src/lr_scheduler/inverse_sqrt.ts";
import { loadParameters } from "../../src/models/load_parameters.ts";
import { bindParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { adam } from "../../src/optim/adam.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { goldenPath } from "../support/golden.ts";
import { expectTensor, readTensors } from "../support/tensors.ts";

/** The value behind a flag of a recorded command line. */
export const flag = (args: readonly string[], name: string, otherwise: string): string =>
  args.includes(name) ? args[args.indexOf(name) + 1] : otherwise;

/** The trainer that a golden run's command line describes, with its initial parameters. */
export function trainerFor(device: Device, args: readonly string[], initial: string): Trainer {
  const number = (name: string, otherwise: number) => Number(flag(args, name, String(otherwise)));
  const pairs = openLanguagePairFolder(goldenPath("training/runs/data-bin"), "en", "de");
  const model = new TransformerModel(
    transformerConfig.parse({
      encoder_embed_dim: number("--encoder-embed-dim", 512),
      decoder_embed_dim: number("--decoder-embed-dim", 512),
      encoder_ffn_embed_dim: number("--encoder-ffn-embed-dim", 2048),
      decoder_ffn_embed_dim: number("--decoder-ffn-embed-dim", 2048),
      encoder_layers: number("--encoder-layers", 6),
      decoder_layers: number("--decoder-layers", 6),
      encoder_attention_heads: number("--encoder-attention-heads", 8),
      decoder_attention_heads: number("--decoder-attention-heads", 8),
      dropout: 0,
    }),
    {
      sourceSymbols: pairs.sourceDictionary.length,
      targetSymbols: pairs.targetDictionary.length,
      padding: 1,
      sharedDictionary: false,
    },
  );
  const parameters = bindParameters(model);
  loadParameters(model, device, trainedTensors(initial), initial);
  return new Trainer({
    device,
    model,
    parameters,
    criterion: labelSmoothedCrossEntropy.build(
      {
        label_smoothing: number("--label-smoothing", 0),
        report_accuracy: false,
        ignore_prefix_size: 0,
      },
      { padding: 1, sentenceAvg: args.includes("--sentence-avg") },
    ),
    optimizer: adam.build(
      {
        adam_betas: [0.9, 0.98],
        adam_eps: number("--adam-eps", 1e-8),
        weight_decay: number("--weight-decay", 0),
      },
      { parameters },
    ),
    schedule: inverseSqrt.build(
      {
        warmup_updates: number("--warmup-updates", 4000),
        warmup_init_lr: number("--warmup-init-lr", -1),
      },
      [number("--lr", 0.25)],
    ),
    clipNorm: number("--clip-norm", 0),
    seed: number("--seed", 1),
    ema: { store_ema: false, ema_decay: 0, ema_start_update: 0, ema_update_freq: 1 },
  });
}

/** Parameters by their names; fairseq's buffers and unused copies left out. */
function trainedTensors(path: string) {
  const stored = [...readTensors(path)].filter(([name]) => !isFairseqBuffer(name));
  const { tensors } = renameFairseqTensors(
    new Map(stored.map(([name, { shape, data }]) => [name, float32Tensor(shape, data)])),
    path,
  );
  return new Map([...tensors].map(([name, t]) => [name, { shape: t.shape, data: toFloat32(t) }]));
}

/** The batches of a split, as a golden run made them. */
export function goldenBatches(args: readonly string[], split: string) {
  const pairs = openLanguagePairFolder(goldenPath("training/runs/data-bin"), "en", "de");
  const { batches, dataset } = planBatches(loadLanguagePairs(pairs, { split }), {
    seed: Number(flag(args, "--seed", "1")),
    limits: [1024, 1024],
    onTooLong: "error",
    what: split,
    maxTokens: Number(flag(args, "--max-tokens", "0")),
    requiredBatchSizeMultiple: 8,
  });
  const collate = (ids: Int32Array) => {
    const batch = dataset.batch(ids);
    if (!batch) throw new Error("an empty batch");
    return batch;
  };
  return { batches, dataset, collate };
}

/** Fails if a parameter that the file holds is further off. */
export async function expectParameters(
  trainer: Trainer,
  path: string,
  tolerance: number,
): Promise<void> {
  const { device: on, parameters } = trainer.options;
  const want = trainedTensors(path);
  for (const [name, { value }] of parameters.slots) {
    const golden = want.get(name);
    // The gradient of k_proj.bias is zero but for rounding, which adam blows up.
    if (!golden || name.endsWith("k_proj.bias")) continue;
    expectTensor(`${path}: ${name}`, await on.read(value), golden.data, tolerance, tolerance);
  }
}
