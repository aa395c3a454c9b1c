// A checkpoint whose every part says which update it is of, so that a mixture of two is noticed.
import type { SafetensorsEntry } from "../../src/interop/safetensors.ts";
import { toFloat32 } from "../../src/interop/stored_tensor.ts";
import {
  type CheckpointContent,
  type CheckpointFile,
  openCheckpoint,
  writeCheckpoint,
} from "../../src/train/checkpoint_file.ts";
import type { CheckpointRecord } from "../../src/train/checkpoint_record.ts";

export function sampleRecord(update: number): CheckpointRecord {
  return {
    schema_version: 1,
    weft_version: "0.1.0",
    config: { optimization: { lr: [5e-4], max_update: 100 } },
    dictionaries: { en: "der 3\n", de: "das 4\n" },
    data: { hash: "0123" },
    plugins: [{ name: "mine.ts", sha256: "45" }],
    num_updates: update,
    iterator: { epoch: 2, offset: update },
    optimizer: { name: "adam", state: { step: update } },
    lr_scheduler: { name: "inverse_sqrt", state: {} },
    criterion: "cross_entropy",
    loss_scale: null,
    meters: { gnorm: Number.NaN },
    best: {
      metric: "loss",
      value: 0.1 + 0.2,
      validations_without_improvement: 1,
      early_stopping_best: Infinity,
    },
    valid_value: -0,
    training_seconds: 12.5,
    run: { device: "cpu" },
  };
}

export function sampleContent(update: number, elements = 1000): CheckpointContent {
  const entry = (name: string, value: number): SafetensorsEntry => ({
    name,
    dtype: "F32",
    shape: [elements],
    data: () => new Uint8Array(new Float32Array(elements).fill(value).buffer),
  });
  return {
    record: sampleRecord(update),
    parameters: [entry("encoder.w", update), entry("decoder.w", update)],
    optimizer: { exp_avg: [entry("encoder.w", -update), entry("decoder.w", -update)] },
    ema: [entry("encoder.w", update / 2)],
  };
}

/** The one update that all parts of the checkpoint are of. @throws if they differ. */
export function updateOf(path: string): number {
  const file = openCheckpoint(path);
  try {
    return checkParts(file);
  } finally {
    file.close();
  }
}

function checkParts(file: CheckpointFile): number {
  const update = file.record.num_updates;
  const slot = file.optimizerState("exp_avg", "decoder.w");
  const ema = file.ema("encoder.w");
  if (!slot || !ema) throw new Error("a part is missing");
  const values = new Set([
    ...toFloat32(file.parameter("encoder.w")),
    ...toFloat32(file.parameter("decoder.w")),
    ...toFloat32(slot).map((value) => -value),
    ...toFloat32(ema).map((value) => 2 * value),
  ]);
  if (values.size !== 1 || !values.has(update))
    throw new Error(`parts of ${[...values]} in ${update}`);
  return update;
}

// Run as a program, it saves one checkpoint after another until it is killed.
if (import.meta.main) {
  const path = process.argv[2] ?? "";
  for (let update = 1; ; update++) await writeCheckpoint(path, sampleContent(update, 20_000));
}
