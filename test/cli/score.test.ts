import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../src/cli/program.ts";
import { score } from "../../src/cli/score.ts";
import { recordingTerminal } from "./recording_terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-score-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, ...lines: string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

const sys = file("sys", "the cat sat on the mat", "a dog runs over there");
const ref = file("ref", "the cat sat on the mat", "A dog runs over here");

async function scores(...args: string[]): Promise<{ code: number; lines: string[]; err: string }> {
  const { terminal, stdout, stderr } = recordingTerminal();
  const code = await runProgram(["score", ...args], [score], terminal);
  return { code, lines: stdout.text.trim().split("\n"), err: stderr.text };
}

test("weft score prints fairseq's BLEU line", async () => {
  const { code, lines } = await scores("--sys", sys, "--ref", ref);
  expect(code).toBe(0);
  // Matches 9/11, 7/9, 5/7 and 3/5: their product is 3/11, and its fourth root 0.7227.
  expect(lines).toEqual([
    "BLEU4 = 72.27, 81.8/77.8/71.4/60.0 (BP=1.000, ratio=1.000, syslen=11, reflen=11)",
  ]);
});

test("weft score takes fairseq-score's flags", async () => {
  const folded = await scores("-s", sys, "-r", ref, "--ignore-case", "-o", "1");
  expect(folded.lines[0]).toMatch(/^BLEU1 = 90\.91, 90\.9/);
  const sentences = await scores("-s", sys, "-r", ref, "--sentence-bleu");
  expect(sentences.lines.map((line) => line.slice(0, 16))).toEqual([
    "0 BLEU4 = 100.00",
    expect.stringMatching(/^1 BLEU4 = /),
  ]);
  const sacre = await scores("-s", sys, "-r", ref, "--sacrebleu");
  expect(sacre.lines[0]).toMatch(/^BLEU = /);
});

test("weft score prints sacreBLEU's scores with their signatures", async () => {
  const bleu = await scores(
    "-s",
    sys,
    "-r",
    ref,
    "--scoring",
    "sacrebleu",
    "--sacrebleu-tokenizer",
    "intl",
  );
  expect(bleu.lines[0]).toMatch(/^BLEU = \d/);
  expect(bleu.lines[1]).toContain("case:mixed|eff:no|tok:intl|smooth:exp");
  const chrf = await scores("-s", sys, "-r", ref, "--scoring", "chrf");
  expect(chrf.lines[0]).toContain("chrF2");
});

test("weft score refuses what it cannot compare", async () => {
  const short = file("short", "one line");
  const unequal = await scores("-s", short, "-r", ref);
  expect([unequal.code, unequal.err]).toEqual([2, expect.stringContaining("have 1 and 2 lines")]);
  expect((await scores("-s", sys, "-r", join(folder, "absent"))).code).toBe(2);
  expect((await scores("-s", sys)).err).toContain("--ref: is missing");
  expect((await scores("-s", sys, "-r", ref, "-o", "5")).err).toContain("-o: 5 is out of range");
  const both = await scores("-s", sys, "-r", ref, "--scoring", "chrf", "--sentence-bleu");
  expect(both.err).toContain("--sentence-bleu: is a way of --scoring bleu only");
  const order = await scores("-s", sys, "-r", ref, "--sacrebleu", "-o", "2");
  expect(order.err).toContain("--order: is a way of --scoring bleu only, and sacrebleu was asked");
  const two = await scores("-s", sys, "-r", ref, "--sacrebleu", "--scoring", "chrf");
  expect(two.err).toContain("--sacrebleu, --scoring chrf: are different scores");
  const idle = await scores("-s", sys, "-r", ref, "--sacrebleu-tokenizer", "char");
  expect(idle.err).toContain("--sacrebleu-tokenizer: says how sacreBLEU scores, but it does not");
  const unknown = await scores("-s", sys, "-r", ref, "--scoring", "bleuu");
  expect(unknown.err).toContain("did you mean bleu?\n");
  const absent = await scores("--sys", join(folder, "absent"), "--ref", ref);
  expect(absent.err).toContain("give --sys a text file, or - for standard input");
});

test("weft score --sacrebleu takes sacreBLEU's settings", async () => {
  const named = await scores("-s", sys, "-r", ref, "--scoring", "sacrebleu");
  expect((await scores("-s", sys, "-r", ref, "--sacrebleu")).lines).toEqual(named.lines);
  const same = await scores("-s", sys, "-r", ref, "--sacrebleu", "--scoring", "sacrebleu");
  expect(same.lines).toEqual(named.lines);
  const flags = ["--sacrebleu", "--sacrebleu-tokenizer", "char"];
  expect((await scores("-s", sys, "-r", ref, ...flags)).lines[1]).toContain("tok:char");
});

test("weft score --ignore-case is the scorer's own, and its signature says so", async () => {
  for (const scoring of ["sacrebleu", "chrf", "wer"]) {
    const flags = ["--scoring", scoring, "-r", ref];
    const [mixed] = (await scores("-s", sys, ...flags)).lines;
    const [folded, signature] = (await scores("-s", sys, ...flags, "--ignore-case")).lines;
    expect(folded).not.toBe(mixed);
    if (scoring !== "wer") expect(signature).toContain("|case:lc|");
  }
});

test("weft score warns of output that seems to be tokenised, as sacreBLEU does", async () => {
  const lines = Array.from({ length: 100 }, () => "An end .");
  const [tokenised, detokenised] = [file("tok", ...lines), file("detok", ...lines)];
  const { code, err } = await scores("-s", tokenised, "-r", detokenised, "--sacrebleu");
  expect([code, err]).toEqual([0, expect.stringContaining("WARNING: 100 or more lines end in")]);
  const none = ["--sacrebleu", "--sacrebleu-tokenizer", "none"];
  expect((await scores("-s", tokenised, "-r", detokenised, ...none)).err).toBe("");
});
