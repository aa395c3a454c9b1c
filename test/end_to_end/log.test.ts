// What a training process says, in each format, and the files that it is told to write.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { accountedFor } from "./run_folder.ts";
import { cpu, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = 60_000;
let numbered = 0;

function train(flags: string): string[] {
  const data = goldenPath("training/runs/data-bin");
  const args = ["train", data, ...cpu, ...tinyModel, ...words("--max-tokens 800 --max-update 6")];
  const saveDir = join(folder, `${numbered++}`);
  const { stderr, stdout } = succeed([
    ...args,
    ...words(`--log-interval 3 --save-dir ${saveDir} ${flags}`),
  ]);
  expect(stdout).toBe(""); // All of it is for whoever watches.
  return stderr.trimEnd().split("\n");
}

const sources = (lines: readonly string[]): string[] =>
  lines.map((line) => /^[-\d]+ [:\d]+ \| INFO \| (\w+) \| /.exec(line)?.[1] ?? line);

test(
  "train --log-format json writes fairseq's objects, its numbers as texts",
  () => {
    const lines = train("--log-format json");
    const of = (source: string) => lines.filter((line) => line.includes(`| ${source} | {`));
    const inner = JSON.parse(of("train_inner")[1].split(" | ")[3]);
    expect(inner).toMatchObject({ epoch: 1, num_updates: "6" });
    expect(Object.keys(inner).slice(0, 4)).toEqual(["epoch", "update", "loss", "ppl"]);
    const [valid] = of("valid").map((line) => JSON.parse(line.split(" | ")[3]));
    expect(valid).toMatchObject({ epoch: 1, valid_num_updates: "6" });
    expect(Number(valid.valid_loss)).toBeGreaterThan(0);
  },
  LONG,
);

test(
  "train --log-format simple writes fairseq's lines; so does tqdm where there is no terminal",
  () => {
    for (const flags of ["--log-format simple", "--log-format tqdm", "--no-progress-bar"]) {
      const lines = train(flags);
      expect(lines.some((line) => line.includes("\r"))).toBe(false);
      const inner = lines.filter((line) => line.includes("train_inner"));
      expect(inner).toHaveLength(2);
      expect(inner[1]).toMatch(/\| epoch 001: +6 \/ \d+ loss=[\d.]+, ppl=[\d.]+, wps=.*lr=/);
      expect(lines.join("\n")).toMatch(/\| valid \| epoch 001 \| valid on 'valid' subset \| loss /);
    }
  },
  LONG,
);

test(
  "train --log-format none leaves the numbers out",
  () => {
    const lines = train("--log-format none");
    expect(new Set(sources(lines))).toEqual(new Set(["train"]));
    expect(lines.join("\n")).not.toContain("loss");
  },
  LONG,
);

test(
  "train --log-file appends the log to a file",
  () => {
    const file = join(folder, "log.txt");
    const lines = [...train(`--log-file ${file}`), ...train(`--log-file ${file}`)];
    expect(readFileSync(file, "utf8").trimEnd().split("\n")).toEqual(lines);
  },
  LONG,
);

test(
  "train --profile writes a trace that tracing pages open: the time of each op",
  () => {
    const file = join(folder, "profile.json");
    train(`--profile ${file}`);
    const { traceEvents } = JSON.parse(readFileSync(file, "utf8"));
    const complete = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    expect(complete.length).toBeGreaterThan(100);
    const names = new Set(complete.map(({ name }: { name: string }) => name));
    expect([...names].filter((name) => /matmul|layer_norm|adam/.test(String(name)))).not.toEqual(
      [],
    );
    for (const { ts, dur } of complete) expect([ts >= 0, dur >= 0]).toEqual([true, true]);
    expect(accountedFor(file)).toBeGreaterThan(0.95);
  },
  LONG,
);
