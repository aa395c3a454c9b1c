import { expect, test } from "bun:test";
import { chooseLogFormat, type LogFormat, logLine } from "../../src/train/log_format.ts";
import { TrainingLog } from "../../src/train/progress.ts";
import { progressLine } from "../../src/train/progress_line.ts";

const stats = new Map([
  ["loss", 8.276],
  ["ppl", 294.12],
  ["wps", 15637.2],
  ["lr", 0.00268328],
]);

/** A log with a clock that tests move; lines and drawings in the order they came. */
function recorded(format: LogFormat) {
  const written: string[] = [];
  const time = { seconds: 0 };
  const log = new TrainingLog({
    format,
    output: {
      line: (text) => void written.push(text),
      draw: (text) => void written.push(text.replace("\r\x1b[K", "<erase>")),
      columns: 200,
    },
    clock: () => time.seconds,
    now: () => new Date(2026, 0, 2, 3, 4, 5),
  });
  return { log, written, time };
}

const stamp = "2026-01-02 03:04:05 | INFO";

test("chooseLogFormat() gives a bar on terminals only", () => {
  expect(chooseLogFormat(undefined, false, true)).toBe("tqdm");
  expect(chooseLogFormat(undefined, false, false)).toBe("simple");
  expect(chooseLogFormat("tqdm", false, false)).toBe("simple");
  expect(chooseLogFormat(undefined, true, true)).toBe("simple");
  expect(chooseLogFormat("json", true, true)).toBe("json");
});

test("logLine() begins as fairseq's lines do", () => {
  expect(logLine(new Date(2026, 10, 3, 14, 5, 6), "train", "text")).toBe(
    "2026-11-03 14:05:06 | INFO | train | text",
  );
});

test("TrainingLog writes progress and summaries in the format chosen", () => {
  for (const [format, progress, summary] of [
    ["json", '{"epoch": 2, "update": 1.2, "loss": "8.276",', '{"epoch": 2, "train_loss": "8.276",'],
    [
      "simple",
      "epoch 002:      1 / 5 loss=8.276, ppl=294.12,",
      "epoch 002 | loss 8.276 | ppl 294.12",
    ],
  ] as const) {
    const { log, written } = recorded(format);
    const epoch = log.begin({ epoch: 2, done: 0, size: 5 });
    epoch.advance();
    epoch.report("train_inner", stats);
    epoch.summarize("train", stats);
    epoch.close();
    expect(written.length).toBe(2);
    expect(written[0]?.indexOf(`${stamp} | train_inner | ${progress}`)).toBe(0);
    expect(written[1]?.indexOf(`${stamp} | train | ${summary}`)).toBe(0);
  }
});

test("TrainingLog under none writes nothing but what is said to it", () => {
  const { log, written } = recorded("none");
  const epoch = log.begin({ epoch: 1, done: 0, size: 5 });
  epoch.advance();
  epoch.report("train_inner", stats);
  epoch.summarize("train", stats);
  epoch.close();
  log.info("train", "done training in 1.4 seconds");
  expect(written).toEqual([`${stamp} | train | done training in 1.4 seconds`]);
});

test("TrainingLog shows no progress while another peer leads, and takes it over in the middle", () => {
  for (const format of ["tqdm", "simple"] as const) {
    const { log, written, time } = recorded(format);
    let leads = false;
    log.showProgressWhile(() => leads);
    const epoch = log.begin({ epoch: 1, done: 0, size: 5 });
    const update = () => {
      time.seconds += 1;
      epoch.advance();
      epoch.report("train_inner", stats);
    };
    update();
    epoch.summarize("valid", stats);
    log.info("train", "lost rank 0");
    expect(written.splice(0).filter((text) => text !== "<erase>")).toEqual([
      `${stamp} | train | lost rank 0`,
    ]);
    leads = true;
    update();
    expect(written.at(-1)).toContain(format === "tqdm" ? "2/5 [" : " 2 / 5 loss=8.276");
  }
});

test("TrainingLog draws the bar at most ten times a second, and lines above it", () => {
  const { log, written, time } = recorded("tqdm");
  const epoch = log.begin({ epoch: 1, done: 0, size: 100 });
  expect(written.splice(0)).toEqual(["<erase>epoch 001:   0%|          | 0/100 [00:00<?, ?it/s]"]);
  for (let i = 0; i < 50; i++) {
    time.seconds += 0.02;
    epoch.advance();
  }
  expect(written.length).toBeGreaterThan(3);
  expect(written.length).toBeLessThanOrEqual(10);
  time.seconds += 0.25;
  epoch.advance();
  expect(written.splice(0).at(-1)).toMatch(/51%\|█{5} {5}\| 51\/100 \[00:01<00:01, 40.80it\/s\]$/);
  log.info("checkpoint", "saved");
  expect(written.splice(0)).toEqual([
    "<erase>",
    `${stamp} | checkpoint | saved`,
    expect.stringContaining("<erase>epoch 001:  51%"),
  ]);
  epoch.report("train_inner", stats);
  expect(written.splice(0).at(-1)).toContain(
    "it/s, loss=8.276, ppl=294.12, wps=15637.2, lr=0.00268328]",
  );
});

test("TrainingLog shows the bar of a validation and then that of the epoch again", () => {
  const { log, written } = recorded("tqdm");
  log.begin({ epoch: 3, done: 0, size: 10 });
  const validation = log.begin({ epoch: 3, done: 0, size: 2, label: "valid on 'valid' subset" });
  expect(written.at(-1)).toContain("epoch 003 | valid on 'valid' subset:   0%");
  validation.summarize("valid", stats);
  expect(written.some((text) => text.startsWith(`${stamp} | valid | epoch 003 | valid on`))).toBe(
    true,
  );
  validation.close();
  expect(written.at(-1)).toMatch(/^<erase>epoch 003: {3}0%/);
});

test("progressLine() drops what does not fit, the least telling first", () => {
  const place = { epoch: 1, done: 30, size: 40 };
  const line = (columns: number) => progressLine(place, 20, 10, stats, columns);
  expect(line(200)).toBe(
    "epoch 001:  75%|███████▌  | 30/40 [00:20<00:10, 1.00it/s, loss=8.276, ppl=294.12, wps=15637.2, lr=0.00268328]",
  );
  expect(line(100)).toBe(
    "epoch 001:  75%|███████▌  | 30/40 [00:20<00:10, 1.00it/s, loss=8.276, ppl=294.12, lr=0.00268328]",
  );
  expect(line(60)).toBe("epoch 001:  75%|███████▌  | 30/40 [00:20<00:10, 1.00it/s]");
  expect(line(12)).toBe("epoch 001:  ");
  expect(progressLine(place, 8000, 29, new Map(), 80)).toContain("[2:13:20<22:13:20, 8000.00s/it]");
});
