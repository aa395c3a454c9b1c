import { expect, test } from "bun:test";
import type { ConfigRecord } from "../../src/config/record.ts";
import { agreementOf } from "../../src/train/agreement.ts";

const record: ConfigRecord = {
  version: 1,
  command: "train",
  sections: {
    dataset: { data: "/somewhere", max_tokens: 100 },
    model: { component: "transformer", name: "tiny", config: { dropout: 0.1 } },
    optimization: { update_freq: [2], lr: [0.001] },
    checkpoint: { save_dir: "here", save_interval: 2, keep_last_epochs: 3 },
    common: { seed: 7, log_interval: 100 },
    ema: { store_ema: true },
  },
  plugins: [],
};

test("agreementOf() tells flags that change what is computed or when, not where files lie", () => {
  const hashes = { dataHash: "0123456789abcdef0000", validationHash: "a".repeat(64) };
  const identity = { version: "0.1.0", config: record, ...hashes };
  const exchange = { wire: "f32", reproducible: true, sync_every: 1 } as const;
  const outer = { outer_lr: 0.7, outer_momentum: 0.9, batch_shards: undefined };
  const agreement = agreementOf(identity, { ...exchange, ...outer }, 12);
  expect(agreement).toEqual({
    "version of weft": "0.1.0",
    "training data": "0123456789abcdef",
    "validation data": "ffe054fe7ae0cb6d",
    components: "--arch tiny\n--dropout 0.1",
    settings:
      "--wire f32\n--reproducible true\n--sync-every 1\n--outer-lr 0.7\n--outer-momentum 0.9\n" +
      "--batch-shards unset\n--seed 7\n--update-freq [2]\n--lr [0.001]\n" +
      "--max-tokens 100\n--store-ema true\n--save-interval 2",
    "set of plug-ins": "",
    "number of parameters": "12",
  });
  const without = { ...identity, validationHash: undefined };
  expect(agreementOf(without, { ...exchange, ...outer }, 12)).toEqual({
    ...agreement,
    "validation data": "none",
  });
});
