import { expect, test } from "bun:test";
import { clusterSimulate } from "../../src/cli/cluster_simulate.ts";
import { runProgram } from "../../src/cli/program.ts";
import { recordingTerminal } from "./recording_terminal.ts";

async function simulate(...flags: readonly string[]) {
  const { terminal, stdout, stderr } = recordingTerminal();
  const code = await runProgram(["cluster", "simulate", ...flags], [clusterSimulate], terminal);
  return { code, rows: stdout.text.trim().split("\n"), errors: stderr.text };
}

function expectWithin(value: number, low: number, high: number): void {
  expect(value).toBeGreaterThanOrEqual(low);
  expect(value).toBeLessThanOrEqual(high);
}

test("weft cluster simulate prints a table of the numbers of peers that are asked for", async () => {
  const flags = ["--peers", "1,3", "--parameters", "1e6", "--bandwidth", "1e9", "--compute", "0.1"];
  const { code, rows } = await simulate(...flags, "--failures", "1", "--backward", "0");
  expect(code).toBe(0);
  expect(rows).toHaveLength(4);
  const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()));
  expect(cells[2].slice(1, 6)).toEqual(["1", "0.100", "100.0 %", "-", "0.0"]);
  const [, peers, update, , hidden, sent, survived] = cells[3];
  expect([peers, hidden, sent]).toEqual(["3", "0.0 %", "2.7"]);
  expect(survived).toMatch(/^1 in [\d.]+ h$/);
  // 2.67 MB at 1 Gbit/s, and two messages' way.
  expectWithin(Number(update), 0.121, 0.13);
});

test("weft cluster simulate refuses numbers of peers that it cannot simulate, before it prints", async () => {
  for (const [wrong, told] of [
    ["8,5000", "--peers 8,5000: 5000 peers cannot be simulated"],
    ["0", "--peers 0: 0 peers cannot be simulated"],
    ["2,many", '--peers: "2,many" is of the wrong form;\n  it must be numbers with commas'],
  ]) {
    const { code, errors, rows } = await simulate("--peers", wrong);
    expect(code).toBe(2);
    expect(errors).toContain(told);
    expect(rows).toEqual([""]);
  }
});
