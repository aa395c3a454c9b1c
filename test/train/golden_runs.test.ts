// Whole training runs against fairseq's, update by update: the same sentences in the same batches,
// losses, gradient norms, learning rates and parameters.
import { afterAll, beforeAll, expect } from "bun:test";
import { labelSmoothedCrossEntropy } from "../../src/criterions/label_smoothed_cross_entropy.ts";
import { GroupedIterator } from "../../src/data/counting_iterator.ts";
import { planBatches } from "../../src/data/epoch_batches.ts";
import { EpochBatchIterator } from "../../src/data/epoch_iterator.ts";
import { loadLanguagePairs, openLanguagePairFolder } from "../../src/data/load_language_pairs.ts";
import { type CpuDevice, openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { isFairseqBuffer, renameFairseqTensors } from "../../src/interop/fairseq_names.ts";
import { float32Tensor, toFloat32 } from "../../src/interop/stored_tensor.ts";
import { inverseSqrt } from "../../src/lr_scheduler/inverse_sqrt.ts";
import { loadParameters } from "../../src/models/load_parameters.ts";
import { bindParameters } from "../../src/models/model.ts";
import { transformerConfig } from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { adam } from "../../src/optim/adam.ts";
import { addSums, emptySums, Trainer } from "../../src/train/trainer.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";
import { expectTensor, readTensors } from "../support/tensors.ts";

interface Sums {
  readonly loss: number;
  readonly nll_loss: number;
  readonly ntokens: number;
  readonly sample_size: number;
}

interface Record_ {
  readonly args: readonly string[];
  readonly updates: readonly {
    update: number;
    epoch: number;
    lr: number;
    ids: readonly (readonly number[])[];
    micro: readonly Sums[];
    sample_size: number;
    gnorm: number;
    /** Absent where --clip-norm is 0. */
    clip: number | null;
  }[];
  readonly valid: readonly { epoch: number; num_updates: number; sums: Sums }[];
  readonly float32_vs_float64: {
    readonly per_update_loss_gnorm: readonly (readonly [
      update: number,
      loss: number,
      norm: number,
    ])[];
  };
}

let device: CpuDevice;
beforeAll(async () => {
  device = await openCpuDevice({ blas: "none" });
});
afterAll(() => device.close());

/** The value behind a flag of a recorded command line. */
const flag = (args: readonly string[], name: string, otherwise: string): string =>
  args.includes(name) ? args[args.indexOf(name) + 1] : otherwise;

function trainerFor(args: readonly string[], folder: string): Trainer {
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
  loadParameters(model, device, trainedTensors(`${folder}/initial.safetensors`), folder);
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

/**
 * Trains as the golden run did and compares every update.
 *
 * @param stopAt after this update a second trainer takes over, as a restarted process would.
 * @returns the final parameters.
 */
async function follow(name: string, stopAt?: number): Promise<Map<string, Float32Array>> {
  const folder = `training/runs/${name}`;
  const { args, updates, valid, float32_vs_float64 } = readGolden<Record_>(`${folder}/record.json`);
  let trainer = trainerFor(args, folder);
  const pairs = openLanguagePairFolder(goldenPath("training/runs/data-bin"), "en", "de");
  const seed = Number(flag(args, "--seed", "1"));
  const maxTokens = Number(flag(args, "--max-tokens", "0"));
  const plan = (split: string) =>
    planBatches(loadLanguagePairs(pairs, { split }), {
      seed,
      limits: [1024, 1024],
      onTooLong: "error",
      what: split,
      maxTokens,
      requiredBatchSizeMultiple: 8,
    });
  const training = plan("train");
  const validation = plan("valid");
  let iterator = EpochBatchIterator.ofShard({ batches: training.batches, seed });
  const updateFreq = Number(flag(args, "--update-freq", "1"));
  const noise = new Map(float32_vs_float64.per_update_loss_gnorm.map(([u, l, g]) => [u, [l, g]]));

  for (let done = 0; done < updates.length; ) {
    const groups = new GroupedIterator(iterator.nextEpoch(), updateFreq);
    for (const group of groups) {
      const want = updates[done++];
      const collate = (ids: Int32Array) => {
        const batch = training.dataset.batch(ids);
        if (!batch) throw new Error("an empty batch");
        return batch;
      };
      const batch = { microBatches: group, collate };
      expect(group.map((ids) => [...collate(ids).ids].sort())).toEqual(
        want.ids.map((ids) => [...ids].sort()),
      );
      const { sums, gradientNorm, lr, clipped, update } = await trainer.update(batch, want.epoch);
      expect(update).toBe(want.update);
      expect(lr).toBeCloseTo(want.lr, 12);
      expect(sums.sampleSize).toBe(want.sample_size);
      const [lossNoise = 0, normNoise = 0] = noise.get(update) ?? [];
      const loss = want.micro.reduce((sum, micro) => sum + micro.loss, 0);
      expect(Math.abs(sums.losses.loss / loss - 1)).toBeLessThan(2e-6 + 10 * lossNoise);
      expect(Math.abs(gradientNorm / want.gnorm - 1)).toBeLessThan(2e-5 + 10 * normNoise);
      expect(clipped ? 100 : 0).toBe(want.clip ?? 0);
      const params = `${folder}/params.u${update}.safetensors`;
      if ([1, 2, 10].includes(update)) await expectParameters(trainer, params, 1e-5);
      const validated = valid.find(({ num_updates }) => num_updates === update);
      if (validated) {
        let total = emptySums();
        for (const ids of validation.batches) {
          const batch = validation.dataset.batch(ids);
          if (batch) total = addSums(total, await trainer.validate(batch));
        }
        expect(total.ntokens).toBe(validated.sums.ntokens);
        expect(Math.abs(total.losses.loss / validated.sums.loss - 1)).toBeLessThan(1e-5);
      }
      if (update === stopAt) {
        const state = iterator.state();
        iterator = EpochBatchIterator.ofShard({ batches: training.batches, seed });
        iterator.loadState(state);
        trainer = await takeOver(trainer, trainerFor(args, folder));
        break;
      }
      if (done === updates.length) break;
    }
  }
  await expectParameters(trainer, `${folder}/final.safetensors`, 2e-4);
  const final = new Map<string, Float32Array>();
  for (const [key, { value }] of trainer.options.parameters.slots) {
    final.set(key, (await device.read(value)) as Float32Array);
  }
  trainer.release();
  return final;
}

/** Hands all state of one trainer to a fresh one. */
async function takeOver(old: Trainer, fresh: Trainer): Promise<Trainer> {
  for (const [key, { value }] of old.options.parameters.slots) {
    device.write(fresh.options.parameters.slot(key).value, await device.read(value));
  }
  for (const [key, { segments }] of old.options.optimizer.state) {
    const target = fresh.options.optimizer.state.get(key)?.segments ?? [];
    for (const [i, segment] of segments.entries())
      device.write(target[i], await device.read(segment));
  }
  fresh.updates = old.updates;
  old.release();
  return fresh;
}

async function expectParameters(trainer: Trainer, path: string, tolerance: number): Promise<void> {
  const { device: on, parameters } = trainer.options;
  const want = trainedTensors(path);
  for (const [name, { value }] of parameters.slots) {
    const golden = want.get(name);
    // The gradient of k_proj.bias is zero but for rounding, which adam blows up.
    if (!golden || name.endsWith("k_proj.bias")) continue;
    expectTensor(`${path}: ${name}`, await on.read(value), golden.data, tolerance, tolerance);
  }
}

goldenTest(
  "training follows fairseq's run with clipping, warm-up and three epochs",
  "training/runs/a-transformer",
  async () => {
    await follow("a-transformer");
  },
);

goldenTest(
  "training follows fairseq's run with --update-freq 3 and --sentence-avg",
  "training/runs/b-update-freq",
  async () => {
    await follow("b-update-freq");
  },
);

goldenTest(
  "a run stopped at update 25 and taken up again equals one that was not, bit for bit",
  "training/runs/f-resume",
  async () => {
    const { first_part_updates: stopAt, every_update_record_equal_to_a: equal } = readGolden<{
      first_part_updates: number;
      every_update_record_equal_to_a: boolean;
    }>("training/runs/f-resume/resume.json");
    expect(equal).toBe(true);
    const broken = await follow("a-transformer", stopAt);
    const unbroken = await follow("a-transformer");
    for (const [name, values] of unbroken) expect([name, broken.get(name)]).toEqual([name, values]);
  },
);
