import { expect, test } from "bun:test";
import {
  type FairseqCheckpoint,
  readFairseqCheckpoint,
} from "../../src/interop/fairseq_checkpoint.ts";
import { renameFairseqTensors, upgradeFairseqState } from "../../src/interop/fairseq_names.ts";
import { transformerHyperparameters } from "../../src/interop/fairseq_settings.ts";
import { readSafetensors } from "../../src/interop/safetensors.ts";
import { float32Tensor, type StoredTensor, toFloat32 } from "../../src/interop/stored_tensor.ts";
import { type PickleDict, TorchTensor } from "../../src/interop/torch_checkpoint/pickle_values.ts";
import { openTorchCheckpoint } from "../../src/interop/torch_checkpoint/torch_checkpoint.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

const load = (name: string, options = {}): FairseqCheckpoint =>
  readFairseqCheckpoint(goldenPath(`checkpoints/${name}.pt`), options);

const hex = (tensor: StoredTensor) => Buffer.from(toFloat32(tensor).slice().buffer).toString("hex");

/** Tensors of a golden, without what carries no information. */
function goldenWeights(name: string): Map<string, StoredTensor> {
  const { tensors } = readSafetensors(goldenPath(`checkpoints/${name}.weights.safetensors`));
  for (const key of tensors.keys()) {
    if (/version$|_float_tensor$|layers\.\d\.(in_proj|out_proj|fc1|fc2)_/.test(key))
      tensors.delete(key);
  }
  return tensors;
}

for (const [file, weights] of [
  ["transformer_a", "transformer_a"],
  ["transformer_prenorm_shared", "transformer_prenorm_shared"],
  ["legacy_args", "transformer_a"],
  ["legacy_keys", "transformer_r2l"],
  ["lightconv_dynamic", "lightconv_dynamic"],
  ["lstm", "lstm"],
] as const) {
  goldenTest(
    `readFairseqCheckpoint() brings ${file}.pt to the names of 0.12.2`,
    `checkpoints/${file}`,
    () => {
      const { tensors } = load(file).weights;
      const golden = goldenWeights(weights);
      expect([...tensors.keys()].sort()).toEqual([...golden.keys()].sort());
      for (const [name, tensor] of golden) {
        const got = tensors.get(name);
        expect({ name, shape: got?.shape }).toEqual({ name, shape: tensor.shape });
        expect({ name, same: got && hex(got) === hex(tensor) }).toEqual({ name, same: true });
      }
    },
  );
}

interface LoadReport {
  upgraded_train_iterator: Record<string, unknown>;
  upgraded_optimizer_history: {
    criterion_name: string;
    optimizer_name: string;
    lr_scheduler_state: unknown;
    num_updates: number;
  }[];
  upgraded_task: string;
  upgraded_arch: string;
  lr: number[];
  stop_min_lr: number;
  max_source_positions: number;
}

for (const file of ["transformer_a.no_optimizer", "legacy_args", "legacy_keys"]) {
  goldenTest(
    `readFairseqCheckpoint() upgrades ${file}.pt as fairseq does`,
    `checkpoints/${file}`,
    () => {
      const report = readGolden<Record<string, LoadReport>>("checkpoints/legacy_load_report.json")[
        file
      ];
      const [history] = report?.upgraded_optimizer_history ?? [];
      const { settings, training } = load(file);
      expect<unknown>({
        upgraded_train_iterator: training.trainIterator,
        history: {
          criterion_name: training.criterionName,
          optimizer_name: training.optimizerName,
          lr_scheduler_state: training.lrSchedulerState,
          num_updates: training.numUpdates,
        },
        upgraded_task: settings?.task,
        upgraded_arch: settings?.arch,
        lr: settings?.flags.lr,
        stop_min_lr: settings?.flags.stop_min_lr,
        max_source_positions: settings?.flags.max_source_positions,
      }).toEqual({
        upgraded_train_iterator: report?.upgraded_train_iterator,
        history,
        upgraded_task: report?.upgraded_task,
        upgraded_arch: report?.upgraded_arch,
        lr: report?.lr,
        stop_min_lr: report?.stop_min_lr,
        max_source_positions: report?.max_source_positions,
      });
    },
  );
}

goldenTest(
  "transformerHyperparameters() reads those of any age of checkpoint",
  "checkpoints/transformer_prenorm_shared",
  () => {
    const settings = load("transformer_prenorm_shared").settings;
    if (!settings) throw new Error("no settings");
    const values = transformerHyperparameters(settings);
    expect(values).toMatchObject({
      encoder_embed_dim: 32,
      decoder_ffn_embed_dim: 64,
      decoder_attention_heads: 4,
      encoder_normalize_before: true,
      decoder_learned_pos: true,
      share_all_embeddings: true,
      layernorm_embedding: true,
      activation_fn: "gelu",
      max_source_positions: 64,
    });
    expect("adaptive_softmax_cutoff" in values).toBe(false);
    const legacy = load("legacy_keys").settings;
    if (!legacy) throw new Error("no settings");
    expect(transformerHyperparameters(legacy)).toMatchObject({
      share_decoder_input_output_embed: true,
      max_target_positions: 64,
      encoder_layers: 2,
    });
    expect(legacy.flags).toMatchObject({ data: "data-bin-r2l", post_process: "@@ " });
    expect(
      transformerHyperparameters({ ...settings, flags: {}, model: { encoder: { layers: 9 } } }),
    ).toEqual({
      encoder_layers: 9,
    });
  },
);

goldenTest("readFairseqCheckpoint() says where the run stood", "checkpoints/transformer_a", () => {
  const { training, settings } = load("transformer_a");
  expect(training).toMatchObject({ numUpdates: 1000, valLoss: 4.212, best: 4.212 });
  expect(training.previousTrainingTime).toBeCloseTo(133.228, 3);
  expect(settings).toMatchObject({
    criterion: "label_smoothed_cross_entropy",
    optimizer: "adam",
    lr_scheduler: "inverse_sqrt",
  });
  expect(load("legacy_keys").training.best).toBe(4.25);
});

for (const [file, key] of [
  ["transformer_a", "exp_avg_sq"],
  ["fconv", "exp_avg"],
  ["transformer_lm", "exp_avg"],
  ["lstm_lm", "exp_avg"],
] as const) {
  goldenTest(
    `readFairseqCheckpoint() gives ${file}.pt's optimizer state by name`,
    `checkpoints/${file}`,
    () => {
      const { optimizer, weights } = load(file, { optimizer: true });
      const slot = optimizer?.slots.get(key) ?? new Map();
      // Every weight that trains has a state of its shape; a tied one has it once.
      const trained = [...weights.tensors.keys()].filter((name) => slot.has(name));
      expect(trained.length).toBe(slot.size);
      expect(weights.tensors.size - trained.length).toBeLessThan(2);
      for (const name of trained)
        expect(slot.get(name).shape).toEqual(weights.tensors.get(name)?.shape);
    },
  );
}

goldenTest(
  "readFairseqCheckpoint() pairs moments with parameters as torch numbers them",
  "checkpoints/transformer_a.pt",
  () => {
    const path = goldenPath("checkpoints/transformer_a.pt");
    const raw = openTorchCheckpoint(path);
    const state = (raw.root as PickleDict).get("last_optimizer_state") as PickleDict;
    // Number 9 is the first parameter after the embedding (0) and eight fused copies.
    const ninth = (state.get("state") as PickleDict).get(9) as PickleDict;
    const moment = ninth.get("exp_avg");
    if (!(moment instanceof TorchTensor)) throw new Error("no moment");
    const { optimizer } = readFairseqCheckpoint(path, { optimizer: true });
    const named = optimizer?.slots.get("exp_avg")?.get("encoder.layers.0.self_attn.k_proj.weight");
    expect(named && hex(named)).toBe(hex(raw.read(moment)));
    expect(optimizer?.steps.get("encoder.layers.0.self_attn.k_proj.weight")).toBe(1000);
    expect(optimizer?.group).toMatchObject({ betas: [0.9, 0.98], eps: 1e-8 });
    raw.close();
  },
);

goldenTest(
  "readFairseqCheckpoint() finds no optimizer state where none was saved",
  "checkpoints/transformer_a.no_optimizer.pt",
  () => {
    const { optimizer } = load("transformer_a.no_optimizer", { optimizer: true });
    expect(optimizer).toBeUndefined();
  },
);

const tensor = (...values: number[]) => float32Tensor([values.length], Float32Array.from(values));

test("renameFairseqTensors() cuts packed projections and refuses one that has no thirds", () => {
  const { tensors } = renameFairseqTensors(
    new Map([["decoder.layers.3.encoder_attn.in_proj_bias", tensor(1, 2, 3)]]),
    "m.pt",
  );
  expect([...tensors].map(([name, part]) => [name, toFloat32(part)[0]])).toEqual([
    ["decoder.layers.3.encoder_attn.q_proj.bias", 1],
    ["decoder.layers.3.encoder_attn.k_proj.bias", 2],
    ["decoder.layers.3.encoder_attn.v_proj.bias", 3],
  ]);
  expect(() => renameFairseqTensors(new Map([["a.in_proj_bias", tensor(1, 2)]]), "m.pt")).toThrow(
    "m.pt: a.in_proj_bias of shape [2]",
  );
});

test("upgradeFairseqState() takes a missing output projection from embed_out or the embeddings", () => {
  const base: [string, StoredTensor][] = [
    ["decoder.layers.0.self_attn.q_proj.weight", tensor(0)],
    ["decoder.embed_tokens.weight", tensor(1)],
  ];
  const projection = (state: [string, StoredTensor][]) => {
    const { tensors } = upgradeFairseqState(new Map(state), "m.pt");
    expect(tensors.has("decoder.embed_out")).toBe(false);
    const found = tensors.get("decoder.output_projection.weight");
    return found && toFloat32(found)[0];
  };
  expect(projection(base)).toBe(1);
  expect(projection([...base, ["decoder.embed_out", tensor(2)]])).toBe(2);
  expect(projection([...base, ["decoder.output_projection.weight", tensor(3)]])).toBe(3);
  expect(
    projection([...base, ["decoder.adaptive_softmax.head.weight", tensor(4)]]),
  ).toBeUndefined();
});

test("upgradeFairseqState() names the stacks that end without a layer norm", () => {
  const state = new Map([
    ["encoder.layers.0.self_attn.in_proj_weight", tensor(1, 2, 3)],
    ["decoder.layers.0.self_attn.q_proj.weight", tensor(0)],
    ["decoder.layer_norm.weight", tensor(0)],
  ]);
  expect(upgradeFairseqState(state, "m.pt").withoutFinalNorm).toEqual(["encoder"]);
});
