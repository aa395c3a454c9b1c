import { expect } from "bun:test";
import { readSafetensors } from "../../src/interop/safetensors.ts";
import { type StoredTensor, toFloat32 } from "../../src/interop/stored_tensor.ts";
import { emaDecay } from "../../src/train/ema_policy.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

interface Golden {
  updates: number;
  cases: {
    case: number;
    settings: { ema_decay: number; ema_start_update: number; ema_update_freq: number };
    dtype: string;
    decay_after_each_update: number[];
  }[];
}

goldenTest(
  "emaDecay() is fairseq's decay at every update that moves the average",
  "training/ema.json",
  () => {
    for (const golden of readGolden<Golden>("training/ema.json").cases) {
      for (const [i, decay] of golden.decay_after_each_update.entries()) {
        const moves = (i + 1) % golden.settings.ema_update_freq === 0;
        expect(emaDecay(golden.settings, i + 1)).toBe(moves ? decay : undefined);
      }
    }
  },
);

goldenTest("averaging by emaDecay() gives fairseq's averages", "training/ema.json", () => {
  const { tensors } = readSafetensors(goldenPath("training/ema.safetensors"));
  const { cases, updates } = readGolden<Golden>("training/ema.json");
  let compared = 0;
  for (const { case: number, settings, dtype } of cases) {
    if (dtype !== "torch.float32") continue; // weft averages in float32
    const prefix = `case${number}.ema.`;
    for (const [name, golden] of tensors) {
      if (!name.startsWith(prefix) || name.includes("version")) continue;
      const model = tensors.get(name.replace(".ema.", ".model."));
      if (!model || golden.dtype !== "F32") continue;
      compareAverages(rows(model, updates), rows(golden, updates), settings);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(3);
});

/** The tensor after every update. */
function rows(tensor: StoredTensor, updates: number): Float32Array[] {
  const data = toFloat32(tensor);
  const size = data.length / updates;
  return Array.from({ length: updates }, (_, u) => data.subarray(u * size, (u + 1) * size));
}

function compareAverages(
  weights: Float32Array[],
  averages: Float32Array[],
  settings: Golden["cases"][number]["settings"],
): void {
  for (const [u, weight] of weights.entries()) {
    const decay = emaDecay(settings, u + 1);
    const [before, after] = [averages[u - 1], averages[u] ?? []];
    if (!before) continue; // the average starts from weights that are not in the file
    for (const [i, value] of after.entries()) {
      const old = before[i] ?? 0;
      const expected = decay === undefined ? old : decay * old + (1 - decay) * (weight[i] ?? 0);
      expect(Math.abs(value - expected)).toBeLessThan(1e-6);
    }
  }
}
