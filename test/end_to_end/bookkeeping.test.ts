// Which checkpoints a run leaves, and what runs can start from, through the command line.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadWeights } from "../../src/train/checkpoint_weights.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";
import { filesIn, recordOf, tensorsOf } from "./run_folder.ts";
import { cpu, type Outcome, succeed, tinyModel, weft, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-bookkeeping-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LAST = "checkpoint_last.safetensors";
const BEST = "checkpoint_best.safetensors";
const LONG = 60_000;
const always = [...cpu, ...tinyModel, ...words("--max-tokens 1000 --lr 1e-3")];

let numbered = 0;
const newPath = (): string => join(folder, `${numbered++}`);

/** Trains into a new folder. @returns it, with what was said. */
function train(flags: string, saveDir = newPath()): Outcome & { saveDir: string } {
  const data = goldenPath("training/runs/data-bin");
  return {
    saveDir,
    ...succeed(["train", data, ...always, "--save-dir", saveDir, ...words(flags)]),
  };
}

const validLosses = (stderr: string): number[] =>
  [...stderr.matchAll(/\| valid on 'valid' subset \| loss ([\d.]+)/g)].map(([, loss]) => +loss);

test(
  "train keeps the checkpoints that the flags promise",
  () => {
    const { saveDir, stderr } = train(
      "--max-epoch 5 --keep-last-epochs 2 --keep-best-checkpoints 1",
    );
    const kept = filesIn(saveDir);
    const best = Math.min(...validLosses(stderr)).toFixed(3);
    expect(kept).toHaveLength(5);
    expect(kept[0]).toMatch(new RegExp(`^checkpoint\\.best_loss_${best.replace(".", "\\.")}\\d`));
    expect(kept.slice(1)).toEqual(
      ["4", "5", "_best", "_last"].map((what) => `checkpoint${what}.safetensors`),
    );
    expect(filesIn(train("--max-epoch 4 --save-interval 2").saveDir)).toEqual(
      ["2", "4", "_best", "_last"].map((what) => `checkpoint${what}.safetensors`),
    );
    expect(filesIn(train("--max-epoch 2 --no-epoch-checkpoints").saveDir)).toEqual([BEST, LAST]);
    expect(filesIn(train("--max-epoch 1 --no-last-checkpoints").saveDir)).toEqual([
      "checkpoint1.safetensors",
      BEST,
    ]);
    const interval = "--max-update 9 --save-interval-updates 2 --keep-interval-updates 1";
    expect(filesIn(train(`${interval} --no-epoch-checkpoints`).saveDir)).toEqual(
      ["_1_8", "_best", "_last"].map((what) => `checkpoint${what}.safetensors`),
    );
    expect(filesIn(train("--max-epoch 1 --checkpoint-suffix .x").saveDir)).toEqual(
      ["1", "_best", "_last"].map((what) => `checkpoint${what}.x.safetensors`),
    );
    const { saveDir: none } = train("--max-epoch 1 --no-save");
    expect(() => filesIn(none)).toThrow();
  },
  LONG,
);

test(
  "train calls best what --best-checkpoint-metric and --maximize-best-checkpoint-metric say",
  () => {
    const flags = "--max-epoch 3 --best-checkpoint-metric ppl";
    const down = train(flags);
    const up = train(`${flags} --maximize-best-checkpoint-metric`);
    const updates = (saveDir: string, name: string) => recordOf(join(saveDir, name)).num_updates;
    expect(updates(down.saveDir, BEST)).toBe(updates(down.saveDir, LAST));
    expect(updates(up.saveDir, BEST)).toBe(updates(up.saveDir, "checkpoint1.safetensors"));
    expect(recordOf(join(up.saveDir, LAST)).best.metric).toBe("ppl");
  },
  LONG,
);

test(
  "train stops when patience is at its end, and stays stopped when started again",
  () => {
    const flags = "--patience 2 --lr 0 --max-epoch 9";
    const { saveDir, stderr } = train(flags);
    expect(stderr).toContain("no improvement in the last 2 validations");
    expect(validLosses(stderr)).toHaveLength(3);
    const files = filesIn(saveDir);
    const again = train(flags, saveDir);
    expect(again.stderr).toContain("no improvement in the last 2 validations");
    expect(validLosses(again.stderr)).toEqual([]);
    expect(filesIn(saveDir)).toEqual(files);
    expect(validLosses(train("--patience 4 --lr 0 --max-epoch 9", saveDir).stderr)).toHaveLength(2);
  },
  LONG,
);

test(
  "train makes no further update when a finished run is started again, and goes on with a higher limit",
  () => {
    const { saveDir } = train("--max-update 4");
    const before = tensorsOf(join(saveDir, LAST));
    expect(train("--max-update 4", saveDir).stderr).toContain("done training after 4 updates");
    expect(tensorsOf(join(saveDir, LAST))).toEqual(before);
    train("--max-update 6", saveDir);
    expect(tensorsOf(join(saveDir, LAST))).toEqual(
      tensorsOf(join(train("--max-update 6").saveDir, LAST)),
    );
  },
  LONG,
);

test(
  "train begins anew what --reset-* names, and nothing else",
  () => {
    const { saveDir } = train("--max-update 14 --save-interval-updates 7 --disable-validation");
    const start = join(saveDir, LAST);
    const weights = Object.entries(tensorsOf(start)).filter(([name]) => !/^optimizer\./.test(name));
    const from = (flags: string) => {
      const ended = train(`--restore-file ${start} --max-update 14 ${flags}`);
      return { said: ended.stderr, state: () => recordOf(join(ended.saveDir, LAST)) };
    };
    expect(from("").said).toContain("epoch 1, 14 updates");
    const data = from("--reset-dataloader --max-update 15");
    expect(data.said).toContain("epoch 1, 14 updates");
    expect(data.state().iterator.iterations_in_epoch).toBe(1);
    const optimizer = from("--reset-optimizer --max-update 1 --lr 0");
    expect(optimizer.said).toContain("0 updates");
    expect(optimizer.state().num_updates).toBe(1);
    const kept = train(`--restore-file ${start} --reset-optimizer --max-update 1 --lr 0`);
    expect(tensorsOf(join(kept.saveDir, LAST))).toMatchObject(Object.fromEntries(weights));
    const meters = from("--reset-meters --max-update 15");
    expect(meters.said).not.toContain("best_loss");
  },
  LONG,
);

test(
  "train --reset-optimizer with another criterion begins the race for the best anew",
  () => {
    const start = join(train("--max-update 4").saveDir, LAST);
    const smoothed = "--criterion label_smoothed_cross_entropy --label-smoothing 0.5";
    const other = train(`--restore-file ${start} --reset-optimizer ${smoothed} --max-update 2`);
    expect(filesIn(other.saveDir)).toContain(BEST);
    const [loss] = validLosses(other.stderr);
    expect(recordOf(join(other.saveDir, LAST)).best.value).toBe(loss);
  },
  LONG,
);

test(
  "train --finetune-from-model takes weights alone from weft's checkpoints and bare safetensors",
  () => {
    const { saveDir } = train("--max-update 5");
    const base = join(saveDir, LAST);
    const tuned = train(`--finetune-from-model ${base} --max-update 1 --lr 0`);
    expect(tuned.stderr).toContain(`starting from the weights of ${base}`);
    const values = (path: string) =>
      [...loadWeights(path).tensors].map(([name, { data }]) => [name, data]);
    expect(values(join(tuned.saveDir, LAST))).toEqual(values(base));
    expect(recordOf(join(tuned.saveDir, LAST)).num_updates).toBe(1);
    // Started again, the run goes on from its own checkpoint.
    const again = train(`--finetune-from-model ${base} --max-update 3`, tuned.saveDir);
    expect(again.stderr).toContain(`continuing from ${join(tuned.saveDir, LAST)}`);
  },
  LONG,
);

test(
  "train --encoder-layers-to-keep takes layers, moments and averages out of a deeper checkpoint",
  () => {
    const deep = train("--max-update 4 --encoder-layers 3 --store-ema");
    const saved = tensorsOf(join(deep.saveDir, LAST));
    const keep =
      "--encoder-layers 3 --encoder-layers-to-keep 0,2 --store-ema --max-update 5 --lr 0";
    const ema = "--ema-decay 1";
    for (const how of ["--restore-file", "--finetune-from-model"]) {
      const { saveDir } = train(`${how} ${join(deep.saveDir, LAST)} ${keep} ${ema}`);
      const shallow = tensorsOf(join(saveDir, LAST));
      expect(Object.keys(shallow).filter((name) => name.includes("encoder.layers.2."))).toEqual([]);
      const restored = how === "--restore-file";
      for (const prefix of ["", ...(restored ? ["ema."] : [])]) {
        for (const [now, then] of [
          [0, 0],
          [1, 2],
        ]) {
          const at = (layer: number) => `${prefix}encoder.layers.${layer}.fc1.weight`;
          expect(shallow[at(now)]).toBe(saved[at(then)]);
        }
      }
      const longer = keep.replace("--max-update 5", "--max-update 6");
      train(`${how} ${join(deep.saveDir, LAST)} ${longer} ${ema}`, saveDir);
      expect(recordOf(join(saveDir, LAST)).num_updates).toBe(6);
    }
  },
  LONG,
);

/** The architecture and data of the checkpoints that fairseq trained. */
const fairseqRun = (saveDir: string, flags: string): string[] => [
  ...["train", goldenPath("checkpoints/data-bin"), ...cpu, "--save-dir", saveDir],
  ...words("--arch transformer --max-source-positions 64 --max-target-positions 64"),
  ...words("--encoder-embed-dim 32 --encoder-ffn-embed-dim 64 --encoder-layers 2"),
  ...words("--decoder-layers 2 --encoder-attention-heads 4 --decoder-attention-heads 4"),
  ...words("--criterion label_smoothed_cross_entropy --label-smoothing 0.1 --lr 0.005"),
  ...words(
    "--lr-scheduler inverse_sqrt --warmup-updates 60 --max-tokens 500 --adam-betas (0.9,0.98)",
  ),
  ...words(flags),
];

goldenTest(
  "train --restore-file goes on from a .pt of fairseq's with its optimizer, or says what it lacks",
  "checkpoints/transformer_a.pt",
  () => {
    const [pt, saveDir] = [goldenPath("checkpoints/transformer_a.pt"), newPath()];
    const resumed = succeed(fairseqRun(saveDir, `--restore-file ${pt} --max-update 1004`));
    expect(resumed.stderr).toContain(`continuing from fairseq's ${pt}: epoch 31, 1000 updates`);
    const [loss] = validLosses(resumed.stderr);
    expect(recordOf(join(saveDir, LAST)).num_updates).toBe(1004);
    // With its moments training goes on smoothly; moments begun anew would be thrown off.
    const [tuned] = validLosses(
      succeed(fairseqRun(newPath(), `--finetune-from-model ${pt} --max-update 1 --lr 0`)).stderr,
    );
    expect(Math.abs(loss - tuned)).toBeLessThan(0.1);
    const bare = goldenPath("checkpoints/transformer_a.weights.safetensors");
    const same = succeed(
      fairseqRun(newPath(), `--finetune-from-model ${bare} --max-update 1 --lr 0`),
    );
    expect(validLosses(same.stderr)).toEqual([tuned]);
    const without = goldenPath("checkpoints/transformer_a.no_optimizer.pt");
    const { code, stderr } = weft(fairseqRun(newPath(), `--restore-file ${without}`));
    expect([code, stderr]).toEqual([2, expect.stringContaining("--reset-optimizer")]);
    const refused = weft(
      fairseqRun(newPath(), `--restore-file ${goldenPath("checkpoints/lstm.pt")}`),
    );
    expect(refused.code).toBe(2);
  },
);
