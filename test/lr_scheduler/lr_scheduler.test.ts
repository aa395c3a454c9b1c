import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { choice } from "../../src/config/choice.ts";
import { resolve } from "../../src/config/resolve.ts";
import { UserError } from "../../src/config/user_error.ts";
import { cosine } from "../../src/lr_scheduler/cosine.ts";
import { fixed } from "../../src/lr_scheduler/fixed.ts";
import { inverseSqrt } from "../../src/lr_scheduler/inverse_sqrt.ts";
import { manual } from "../../src/lr_scheduler/manual.ts";
import { polynomialDecay } from "../../src/lr_scheduler/polynomial_decay.ts";
import { reduceLrOnPlateau } from "../../src/lr_scheduler/reduce_lr_on_plateau.ts";
import type { EpochEnd, LrScheduler, Schedule } from "../../src/lr_scheduler/schedule.ts";
import { step } from "../../src/lr_scheduler/step.ts";
import { triStage } from "../../src/lr_scheduler/tri_stage.ts";
import { triangular } from "../../src/lr_scheduler/triangular.ts";
import { ComponentRegistry } from "../../src/registry.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";

interface GoldenCase {
  readonly scheduler: string;
  readonly lr: number[];
  readonly settings: Record<string, unknown>;
  readonly error?: string;
  readonly updates_per_epoch: number;
  readonly epochs: number;
  readonly val_losses: (number | null)[];
  readonly lr_at_begin_of_epoch: number[];
  readonly lr_after_epoch_end: number[];
  readonly lr_used_by_update: number[];
}

const file = "training/lr_scheduler.json";

/** The file holds Python's Infinity, in saved states that no test here reads. */
function readCases(): GoldenCase[] {
  const text = readFileSync(goldenPath(file), "utf8").replaceAll(/:-?Infinity\b/g, ":null");
  return (JSON.parse(text) as { cases: GoldenCase[] }).cases;
}

/** Cases that fairseq refuses by accident and weft does not: see the tests of their own below. */
const worksHere = new Set(["manual", "tri_stage"]);

const lr_schedulers = new ComponentRegistry<LrScheduler>("lr scheduler");
for (const scheduler of [
  ...[cosine, fixed, inverseSqrt, manual, polynomialDecay, reduceLrOnPlateau, step],
  ...[triStage, triangular],
]) {
  lr_schedulers.add(scheduler);
}

const sections = {
  schedule: choice<LrScheduler>({
    key: "lr_scheduler",
    registry: "lr_schedulers",
    default: "fixed",
    description: "schedule",
  }),
};

/** A schedule from settings as a configuration file holds them. */
function buildSchedule(
  scheduler: string,
  lr: number[],
  settings: Record<string, unknown>,
): Schedule {
  const { values } = resolve("train", sections, {
    args: [],
    file: { path: "run.yaml", folder: ".", values: { lr_scheduler: scheduler, ...settings } },
    components: { lr_schedulers },
  });
  const { component, config } = values.schedule;
  return component.build(config, lr);
}

function expectClose(actual: number, wanted: number, what: string): void {
  const error = Math.abs(actual - wanted);
  if (error <= 1e-12 * Math.abs(wanted)) return;
  throw new Error(`${what}: ${actual} instead of ${wanted}`);
}

function historyOf({ updates_per_epoch, val_losses }: GoldenCase, epochs: number): EpochEnd[] {
  return val_losses
    .slice(0, epochs)
    .map((validation, i) => ({ updates: (i + 1) * updates_per_epoch, validation }));
}

describe("learning rate schedules", () => {
  goldenTest("follow fairseq's rates at every update and epoch", file, () => {
    const cases = readCases();
    // pass_through belongs to fairseq's composite optimizer, which weft has not.
    const followed = cases.filter(
      ({ error, scheduler }) => error === undefined && scheduler !== "pass_through",
    );
    expect(new Set(followed.map(({ scheduler }) => scheduler)).size).toBe(9);
    for (const golden of followed) {
      const schedule = buildSchedule(golden.scheduler, golden.lr, golden.settings);
      const name = `${golden.scheduler} ${JSON.stringify(golden.settings)}`;
      const each = golden.updates_per_epoch;
      golden.lr_used_by_update.forEach((wanted, updates) => {
        const epoch = Math.floor(updates / each) + 1;
        const rate = schedule(updates, epoch, historyOf(golden, epoch - 1));
        expectClose(rate, wanted, `${name}, update ${updates + 1}`);
      });
      for (let epoch = 1; epoch <= golden.epochs; epoch++) {
        const begin = schedule((epoch - 1) * each, epoch, historyOf(golden, epoch - 1));
        expectClose(
          begin,
          golden.lr_at_begin_of_epoch[epoch - 1] ?? NaN,
          `${name}, begin of ${epoch}`,
        );
        const end = schedule(epoch * each, epoch, historyOf(golden, epoch));
        expectClose(end, golden.lr_after_epoch_end[epoch - 1] ?? NaN, `${name}, end of ${epoch}`);
      }
    }
  });

  goldenTest("refuse what fairseq refuses", file, () => {
    const cases = readCases();
    const refused = cases.filter(
      ({ error, scheduler }) => error !== undefined && !worksHere.has(scheduler),
    );
    expect(refused.length).toBeGreaterThan(5);
    for (const { scheduler, lr, settings } of refused) {
      expect(() => buildSchedule(scheduler, lr, settings)).toThrow(UserError);
    }
  });
});

test("inverse_sqrt gives the rates of the paper's recipe", () => {
  const schedule = inverseSqrt.build(inverseSqrt.config.parse({}), [5e-4]);
  const rates = [0, 1, 4000, 16000].map((updates) => schedule(updates, 1, []));
  expect(rates[0]).toBe(0);
  expect(rates[1]).toBeCloseTo(1.25e-7, 18);
  expect(rates[2]).toBeCloseTo(5e-4, 15);
  expect(rates[3]).toBeCloseTo(2.5e-4, 15);
});

test("manual takes numbers as keys, where fairseq fails", () => {
  const schedule = buildSchedule("manual", [0.1], { epoch2lr: "{3: 0.3, '5-6': 0.2}" });
  expect([1, 3, 4, 5, 7].map((epoch) => schedule(0, epoch, []))).toEqual([0.1, 0.3, 0.3, 0.2, 0.2]);
});

test("manual names the key that it cannot read", () => {
  const config = manual.config.parse({ epoch2lr: { "1..3": 0.5 } });
  expect(() => manual.build(config, [0.1])).toThrow('--epoch2lr: "1..3" names no numbers');
});

test("tri_stage without decay ends at once, where fairseq divides by zero", () => {
  const config = triStage.config.parse({ warmup_steps: 2, hold_steps: 2, final_lr_scale: 0.5 });
  const schedule = triStage.build(config, [1]);
  expect([2, 3, 4, 9].map((updates) => schedule(updates, 1, []))).toEqual([1, 1, 0.5, 0.5]);
});

test("reduce_lr_on_plateau passes over epochs without a validation", () => {
  const schedule = reduceLrOnPlateau.build(reduceLrOnPlateau.config.parse({ lr_patience: 1 }), [1]);
  const ends = [5, null, 5, null, null, 5].map((validation, i) => ({ updates: i + 1, validation }));
  expect(schedule(5, 6, ends.slice(0, 5))).toBe(1);
  expect(schedule(6, 7, ends)).toBeCloseTo(0.1, 15);
});
