// Resume is exact: a run killed at any moments, and started again with the same command, leaves what
// a run never interrupted leaves: parameters, moments, averages and log values, bit for bit.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NumpyRandom } from "../../src/data/numpy_random.ts";
import { goldenPath } from "../support/golden.ts";
import { filesIn, loggedValues, stateOf } from "./run_folder.ts";
import { makeShards } from "./shards.ts";
import { cpu, RunningWeft, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-resume-"));
let shards = "";
beforeAll(() => {
  shards = makeShards(join(folder, "shards"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Milliseconds: a test starts a dozen processes on a machine that may be busy. */
const LONG = 120_000;

const always = [...cpu, ...tinyModel, "--log-format", "json", "--log-interval", "2"];

/** Starts `weft ARGS --save-dir DIR`, kills it at the moments given, until it ends by itself. */
async function killedAgainAndAgain(
  args: readonly string[],
  saveDir: string,
  moments: readonly ((run: RunningWeft) => Promise<boolean>)[],
): Promise<{ lines: string[]; kills: number }> {
  const lines: string[] = [];
  for (let kills = 0; ; kills++) {
    const run = new RunningWeft([...args, "--save-dir", saveDir]);
    const moment = moments[kills] ?? (() => Promise.resolve(false));
    const kill = await moment(run);
    if (kill) run.signal("SIGKILL");
    const code = await run.end();
    lines.push(...run.lines);
    if (code === undefined) continue;
    if (code !== 0) throw new Error(run.lines.join("\n"));
    return { lines, kills };
  }
}

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** After some lines of the log and a while more. */
function atRandom(random: NumpyRandom): (run: RunningWeft) => Promise<boolean> {
  const count = random.randint(1, 4);
  const milliseconds = random.randint(0, 25);
  return async (run) => {
    if (!(await run.saw("num_updates", count))) return false;
    await sleep(milliseconds);
    return true;
  };
}

/** While a checkpoint is being written: a file aside appears in the folder. */
function whileSaving(saveDir: string, after: number): (run: RunningWeft) => Promise<boolean> {
  return async (run) => {
    if (!(await run.saw("num_updates", after))) return false;
    return await new Promise((resolve) => {
      const watcher = watch(saveDir, (_, name) => {
        if (name?.endsWith(".tmp")) done(true);
      });
      const done = (kill: boolean): void => {
        watcher.close();
        resolve(kill);
      };
      void run.end().then(() => done(false));
    });
  };
}

/** Before the first step, when the process has only begun to read. */
const whileStarting = async (run: RunningWeft): Promise<boolean> => run.saw("dictionary");

/** Within a validation: right behind the log line of the update that it follows. */
const whileValidating = (count: number) => (run: RunningWeft) => run.saw("train_inner", count);

async function expectSameEnd(
  args: readonly string[],
  name: string,
  moments: (saveDir: string) => ((run: RunningWeft) => Promise<boolean>)[],
): Promise<void> {
  const [whole, pieces] = [join(folder, `${name}-whole`), join(folder, `${name}-pieces`)];
  const uninterrupted = succeed([...args, "--save-dir", whole]);
  mkdirSync(pieces);
  const { lines, kills } = await killedAgainAndAgain(args, pieces, moments(pieces));
  expect(kills).toBeGreaterThanOrEqual(3);
  expect(filesIn(pieces)).toEqual(filesIn(whole));
  for (const file of filesIn(whole)) expect(stateOf(pieces, file)).toEqual(stateOf(whole, file));
  expect(loggedValues(lines)).toEqual(loggedValues(uninterrupted.stderr.split("\n")));
}

test(
  "train killed at random moments ends as if it never was: dropout, update_freq, EMA, patience",
  async () => {
    const args = [
      ...["train", goldenPath("training/runs/data-bin"), ...always],
      ...words(
        "--max-tokens 400 --max-epoch 3 --update-freq 2 --dropout 0.2 --attention-dropout 0.1",
      ),
      ...words("--activation-dropout 0.1 --criterion label_smoothed_cross_entropy"),
      ...words("--label-smoothing 0.1 --lr 5e-3 --lr-scheduler inverse_sqrt --warmup-updates 10"),
      ...words("--clip-norm 0.5 --weight-decay 0.01 --save-interval-updates 3 --store-ema"),
      ...words("--ema-decay 0.9 --patience 30 --keep-interval-updates 2 --keep-best-checkpoints 2"),
    ];
    const random = new NumpyRandom(7);
    await expectSameEnd(args, "random", (saveDir) => [
      whileStarting,
      ...Array.from({ length: 4 }, () => atRandom(random)),
      whileSaving(saveDir, 3),
      ...Array.from({ length: 4 }, () => atRandom(random)),
      whileSaving(saveDir, 5),
      whileValidating(2),
      ...Array.from({ length: 3 }, () => atRandom(random)),
    ]);
  },
  LONG,
);

test(
  "train killed at random moments ends as if it never was: shards, layerdrop, a schedule that looks back",
  async () => {
    const args = [
      ...["train", shards, ...always],
      ...words("--max-tokens 500 --max-epoch 8 --encoder-layers 3 --encoder-layerdrop 0.4"),
      ...words("--decoder-layers 2 --decoder-layerdrop 0.3 --dropout 0.1 --lr 5e-3"),
      ...words(
        "--lr-scheduler reduce_lr_on_plateau --save-interval-updates 4 --keep-last-epochs 1",
      ),
      ...words("--validate-interval-updates 6 --sentence-avg --curriculum 1"),
    ];
    const random = new NumpyRandom(11);
    await expectSameEnd(args, "shards", (saveDir) => [
      ...Array.from({ length: 4 }, () => atRandom(random)),
      whileSaving(saveDir, 2),
      ...Array.from({ length: 5 }, () => atRandom(random)),
    ]);
  },
  LONG,
);
