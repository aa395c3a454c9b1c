import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { checkpoint as checkpointSchema } from "../../src/config/schemas/checkpoint.ts";
import { dataset as datasetSchema } from "../../src/config/schemas/dataset.ts";
import { optimization as optimizationSchema } from "../../src/config/schemas/optimization.ts";
import {
  dueAt,
  planRemoval,
  planSave,
  type SavePolicy,
} from "../../src/train/checkpoint_policy.ts";
import { hashOfFloat, tieDigit } from "../../src/train/checkpoint_tie_digit.ts";
import { countValidation, improves, NO_VALIDATION_YET } from "../../src/train/early_stopping.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";

interface GoldenEvent {
  epoch: number;
  update: number;
  end_of_epoch: boolean;
  validated: boolean;
  value: number | null;
  best_so_far: number | null;
  should_stop: boolean;
  files: Record<string, string>;
}

interface GoldenCase {
  name: string;
  validation_values: number[];
  updates_per_epoch: number;
  checkpoint: object;
  optimization: object;
  dataset: object;
  events: GoldenEvent[];
}

const settings = (change: object = {}) => checkpointSchema.parse(change);

/** The goldens are written by Python's json, which knows NaN. */
function readCases(): GoldenCase[] {
  const text = readFileSync(goldenPath("training/checkpoints_policy.json"), "utf8");
  const json = JSON.parse(text.replace(/\bNaN\b/g, '"NaN"'), (_, value) =>
    value === "NaN" ? Number.NaN : value,
  );
  return json.cases;
}

/** A folder whose files are known by the event that wrote them. */
class Simulation {
  readonly files = new Map<string, string>();
  best: number | undefined;
  patience = NO_VALIDATION_YET;
  /** The event of the best value that any validation gave, the newest of equal ones that was saved. */
  bestEvent = "";
  validatedWithoutSaving = false;

  constructor(readonly config: SavePolicy & { patience: number }) {}

  event(
    epoch: number,
    updates: number,
    endOfEpoch: boolean,
    due: boolean,
    value: number | undefined,
  ): boolean {
    let stop = false;
    if (value !== undefined) {
      const counted = countValidation(this.config, this.patience, value);
      this.patience = counted.state;
      stop = counted.stop;
    }
    const save = due || stop;
    const names = [...this.files.keys()];
    const plan = planSave(
      this.config,
      { epoch, updates, endOfEpoch, save, value },
      this.best,
      names,
    );
    const origin = `e${epoch}u${updates}`;
    if (value !== undefined && !save) this.validatedWithoutSaving = true;
    if (value !== undefined) {
      const better = improves(value, this.best, this.config.maximize_best_checkpoint_metric);
      if (better || (save && value === this.best)) this.bestEvent = origin;
    }
    this.best = plan.best;
    for (const name of plan.write) this.files.set(name, origin);
    if (plan.write.length > 0) {
      for (const name of planRemoval(this.config, endOfEpoch, [...this.files.keys()])) {
        this.files.delete(name);
      }
    }
    return stop;
  }
}

goldenTest(
  "planSave() and planRemoval() leave fairseq's files after every event",
  "training/checkpoints_policy.json",
  () => {
    const cases = readCases();
    expect(cases.length).toBeGreaterThan(5);
    for (const golden of cases) follow(golden);
  },
);

function follow(golden: GoldenCase): void {
  const config = {
    checkpoint: settings(golden.checkpoint),
    dataset: datasetSchema.parse({ data: "data-bin", ...golden.dataset }),
    optimization: optimizationSchema.parse(golden.optimization),
  };
  const run = new Simulation(config.checkpoint);
  const perEpoch = golden.updates_per_epoch;
  let updates = 0;
  for (const event of golden.events) {
    let due = { validate: false, save: false, stop: undefined as string | undefined };
    // Nothing may be due between the events that fairseq recorded.
    while (updates < event.update) {
      expect({ name: golden.name, updates, due }).toMatchObject({
        due: { validate: false, save: false },
      });
      updates++;
      const epoch = Math.ceil(updates / perEpoch);
      due = dueAt(config, { epoch, updates, endOfEpoch: updates % perEpoch === 0, hours: 0 });
    }
    const label = `${golden.name}, update ${updates}`;
    expect({ label, validated: due.validate }).toEqual({ label, validated: event.validated });
    const stop = run.event(
      event.epoch,
      updates,
      event.end_of_epoch,
      due.save,
      event.value ?? undefined,
    );
    expect({ label, stop: stop || due.stop !== undefined }).toEqual({
      label,
      stop: event.should_stop,
    });
    compare(run, event, config.checkpoint.keep_best_checkpoints, label);
  }
}

function compare(run: Simulation, event: GoldenEvent, keepBest: number, label: string): void {
  const files = new Map(
    [...run.files].map(([name, origin]) => [name.replace(".safetensors", ".pt"), origin]),
  );
  const expected = new Map(Object.entries(event.files));
  // fairseq forgets a best value that it met at a validation without a due save; weft saves it.
  const best = [...files.keys()].find((name) => name.startsWith("checkpoint_best"));
  if (run.validatedWithoutSaving && best) {
    expect({ label, best: files.get(best) }).toEqual({ label, best: run.bestEvent });
    expected.set(best, run.bestEvent);
  } else if (event.best_so_far !== null && !Number.isNaN(event.best_so_far)) {
    expect({ label, best: run.best }).toEqual({ label, best: event.best_so_far });
  }
  // fairseq refuses a value worse than the worst one kept even while fewer than N are; weft has N.
  const isKept = ([name]: [string, string]) => name.startsWith("checkpoint.best_");
  const kept = [...files].filter(isKept);
  const goldenKept = [...expected].filter(isKept);
  if (goldenKept.length < keepBest) {
    for (const file of goldenKept) expect(kept).toContainEqual(file);
    for (const [name, origin] of kept) expected.set(name, origin);
  }
  expect({ label, files: Object.fromEntries([...files].sort()) }).toEqual({
    label,
    files: Object.fromEntries([...expected].sort()),
  });
}

const at = (updates: number, change: object = {}) => ({
  epoch: 1,
  updates,
  endOfEpoch: false,
  save: true,
  value: undefined,
  ...change,
});

test("planSave() writes a best that a validation without a due save finds, which fairseq forgets", () => {
  const event = at(3, { save: false, value: 4 });
  expect(planSave(settings(), event, 5, [])).toEqual({
    best: 4,
    write: ["checkpoint_best.safetensors"],
  });
  expect(planSave(settings(), { ...event, value: 5 }, 5, []).write).toEqual([]);
  expect(planSave(settings({ no_save: true }), event, 5, [])).toEqual({ best: 4, write: [] });
});

test("planSave() fills keep_best_checkpoints with worse values, which fairseq refuses", () => {
  const config = settings({ keep_best_checkpoints: 3 });
  const files = ["checkpoint.best_loss_4.0001.safetensors"];
  const names = planSave(config, at(4, { value: 4.5 }), 4, files).write;
  expect(names.filter((name) => /^checkpoint\.best_loss_4\.500[0-2]\.safe/.test(name)).length).toBe(
    1,
  );
});

test("planSave() never takes NaN for the best, which fairseq does once", () => {
  const plan = planSave(
    settings({ keep_best_checkpoints: 2 }),
    at(4, { value: Number.NaN }),
    5,
    [],
  );
  expect(plan).toEqual({ best: 5, write: ["checkpoint_last.safetensors"] });
  expect(planSave(settings(), at(6, { value: 5.5 }), plan.best, []).best).toBe(5);
});

test("planSave() keeps negative values of a metric and metrics with dots in order", () => {
  const config = settings({ keep_best_checkpoints: 1, best_checkpoint_metric: "a.b" });
  const files = [
    "checkpoint.best_a.b_-1.0000.safetensors",
    "checkpoint.best_a.b_-2.0000.safetensors",
  ];
  expect(planRemoval(config, true, files)).toEqual([files[0] ?? ""]);
  expect(planRemoval(config, true, ["checkpoint.best_axb_-1.0000.safetensors"])).toEqual([]);
});

test("dueAt() stops at --stop-time-hours and says so", () => {
  const config = {
    checkpoint: settings(),
    dataset: datasetSchema.parse({ data: "data-bin" }),
    optimization: optimizationSchema.parse({ stop_time_hours: 2 }),
  };
  const position = { epoch: 1, updates: 7, endOfEpoch: false };
  expect(dueAt(config, { ...position, hours: 1.9 }).stop).toBeUndefined();
  expect(dueAt(config, { ...position, hours: 2.5 })).toEqual({
    stop: "2.50 hours of training > stop_time_hours: 2",
    save: true,
    validate: true,
  });
});

test("countValidation() does not stop a run whose first value is NaN, as fairseq does", () => {
  const config = { patience: 2, maximize_best_checkpoint_metric: false };
  let state = countValidation(config, NO_VALIDATION_YET, Number.NaN).state;
  state = countValidation(config, state, 5).state;
  expect(state).toEqual({ best: 5, validationsWithoutImprovement: 0 });
});

test("hashOfFloat() is Python's hash()", () => {
  expect(hashOfFloat(5)).toBe(5n);
  expect(hashOfFloat(0.5)).toBe(1152921504606846976n);
  expect(hashOfFloat(3.14)).toBe(322818021289917443n);
  expect(hashOfFloat(-1)).toBe(-2n);
  expect(hashOfFloat(-0.5)).toBe(-1152921504606846976n);
  expect(hashOfFloat(1e300)).toBe(1224995262755759164n);
});

test("tieDigit() stays below the number kept", () => {
  for (let update = 0; update < 50; update++) {
    expect([0, 1, 2]).toContain(tieDigit(1, update, 4 + update / 7, 3));
  }
});
