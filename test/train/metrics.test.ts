import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { CriterionSums } from "../../src/criterions/criterion.ts";
import {
  jsonProgress,
  jsonSummary,
  simpleProgress,
  simpleSummary,
} from "../../src/train/log_format.ts";
import {
  type LoggedUpdate,
  metricsState,
  type Stats,
  TrainingMetrics,
  validationStats,
} from "../../src/train/metrics.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

// Label-smoothed cross entropy, as far as logging goes.
const criterion = {
  metrics: ({ losses, sampleSize, ntokens }: CriterionSums) => {
    const nll = (losses.nll_loss ?? 0) / ntokens / Math.LN2;
    return { ppl: 2 ** nll, loss: (losses.loss ?? 0) / sampleSize / Math.LN2, nll_loss: nll };
  },
};

interface GoldenSums {
  loss: number;
  nll_loss: number;
  ntokens: number;
  nsentences: number;
  sample_size: number;
}

interface Run {
  updates: {
    update: number;
    epoch: number;
    lr_after: number;
    gnorm: number;
    clip: number | null;
    sample_size: number;
    sum: GoldenSums[];
  }[];
  valid: { epoch: number; batches: number; sums: GoldenSums; num_updates: number }[];
}

const readRun = () => readGolden<Run>("training/runs/a-transformer/record.json");

const sumsOf = ({
  loss,
  nll_loss,
  ntokens,
  nsentences,
  sample_size,
}: GoldenSums): CriterionSums => ({
  ntokens,
  nsentences,
  sampleSize: sample_size,
  losses: { loss, nll_loss },
});

function loggedUpdate(golden: Run["updates"][number]): LoggedUpdate {
  const [sum] = golden.sum;
  if (!sum) throw new Error(`no sums for update ${golden.update}`);
  return {
    sums: sumsOf(sum),
    gradientNorm: golden.gnorm,
    clipped: golden.clip === 100,
    seconds: 0.1,
    numUpdates: golden.update,
    nextLr: golden.lr_after,
  };
}

const TIMES = /"?(?:valid_|train_)?(?:wps|ups|train_wall|wall)"?(?:=| |: ")[\d.e+]+"?/g;

/** Lines of fairseq's log from these loggers, without their time stamps and times. */
function goldenLines(file: string, loggers: string): string[] {
  const text = readFileSync(goldenPath(`training/log-samples/${file}.stdout.txt`), "utf8");
  const lines = text.split("\n").map((line) => line.split(" | INFO | ")[1] ?? "");
  const wanted = new RegExp(`^(?:${loggers}) \\| `);
  return lines.filter((line) => wanted.test(line)).map(withoutTimes);
}

const withoutTimes = (line: string) => line.replace(TIMES, "TIME");

/** What weft logs in the run of the samples: every 5 updates, 45 updates in epochs of 20. */
function weftLines(format: "json" | "simple", restartAt = -1): string[] {
  const run = readRun();
  const lines: string[] = [];
  let best: number | undefined;
  let time = 0;
  const fresh = () => new TrainingMetrics(criterion, true, () => time);
  let metrics = fresh();
  const summarize = (epoch: number, tag: string, stats: Stats, label?: string) => {
    const place = { epoch, done: 0, size: 20, label };
    lines.push(
      `${tag} | ${format === "json" ? jsonSummary(place, tag, stats) : simpleSummary(place, stats)}`,
    );
  };
  for (const golden of run.updates.slice(0, 45)) {
    const { update, epoch } = golden;
    time += 0.2;
    metrics.update(loggedUpdate(golden));
    if (update === restartAt) {
      const saved = metricsState.parse(JSON.parse(JSON.stringify(metrics.state())));
      metrics = fresh();
      metrics.restore(saved);
    }
    if (update % 5 === 0) {
      const place = { epoch, done: update - 20 * (epoch - 1), size: 20 };
      const stats = metrics.takeInner();
      lines.push(
        `train_inner | ${format === "json" ? jsonProgress(place, stats) : simpleProgress(place, stats)}`,
      );
    }
    const valid = run.valid.find((validation) => validation.num_updates === update);
    if (valid) {
      const measured = {
        sums: sumsOf(valid.sums),
        batches: valid.batches,
        seconds: 1,
        numUpdates: update,
      };
      const stats = validationStats(criterion, measured, {
        metric: "loss",
        value: best,
        maximize: false,
      });
      best = stats.get("best_loss") ?? stats.get("loss");
      summarize(epoch, "valid", stats, "valid on 'valid' subset");
      summarize(epoch, "train", metrics.takeEpoch());
    }
  }
  return lines.map(withoutTimes);
}

for (const format of ["json", "simple"] as const) {
  goldenTest(`TrainingMetrics logs fairseq's ${format} lines`, "training/log-samples", () => {
    // The samples stop at update 45, where the recorded run goes on: its last lines are not there.
    const golden = goldenLines(format, "train_inner|valid|train").slice(0, -2);
    expect(golden.length).toBe(13);
    expect(weftLines(format)).toEqual(golden);
  });
}

goldenTest(
  "TrainingMetrics logs the same after a resume at any update",
  "training/log-samples",
  () => {
    const unbroken = weftLines("json");
    for (let update = 1; update <= 45; update += 3)
      expect(weftLines("json", update)).toEqual(unbroken);
  },
);

test("TrainingMetrics counts the time of all restarts, and only the time in training", () => {
  let time = 100;
  const metrics = new TrainingMetrics(criterion, false, () => time);
  const sums = { ntokens: 50, nsentences: 2, sampleSize: 50, losses: { loss: 1, nll_loss: 1 } };
  const update = { sums, gradientNorm: 1, clipped: false, seconds: 2, numUpdates: 1, nextLr: 0.1 };
  time = 110;
  metrics.update(update);
  time = 118;
  const saved = metrics.state();
  expect(saved.wall).toBe(18);
  time = 5000;
  const resumed = new TrainingMetrics(criterion, false, () => time);
  resumed.restore(saved);
  time = 5010;
  resumed.update({ ...update, lossScale: 128 });
  const stats = resumed.takeInner(new Map([["members", 2]]));
  // Ten seconds since the first update began before the break, ten after it.
  expect(stats.get("wps")).toBe(5);
  expect(stats.get("ups")).toBe(0.1);
  expect(stats.get("wall")).toBe(28);
  expect(stats.get("train_wall")).toBe(4);
  expect([...stats.keys()]).toEqual(
    "loss nll_loss ppl wps ups wpb bsz num_updates lr gnorm loss_scale train_wall wall members".split(
      " ",
    ),
  );
});

test("validationStats() puts further metrics behind the losses and follows --maximize", () => {
  const sums = { ntokens: 50, nsentences: 2, sampleSize: 50, losses: { loss: 1, nll_loss: 1 } };
  const validation = { sums, batches: 2, seconds: 0, numUpdates: 7, extra: { bleu: 12.34 } };
  const stats = validationStats(criterion, validation, {
    metric: "bleu",
    value: 11,
    maximize: true,
  });
  expect([...stats.keys()].join(" ")).toBe(
    "loss nll_loss ppl bleu wps wpb bsz num_updates best_bleu",
  );
  expect(stats.get("best_bleu")).toBe(12.34);
  expect(stats.get("wps")).toBe(0);
});

test("the time before a state was taken over is not counted beside the one it tells of", () => {
  let time = 100;
  const metrics = new TrainingMetrics(criterion, true, () => time);
  time = 130;
  const theirs = metrics.state();
  expect(theirs.wall).toBe(30);
  metrics.restore({ ...theirs, wall: 40 });
  time = 135;
  expect(metrics.wall()).toBe(45);
});
