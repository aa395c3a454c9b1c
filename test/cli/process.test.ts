import { expect, test } from "bun:test";
import { join } from "node:path";
import { runFixture, runShell } from "./run_program.ts";

const fixture = (name: string): string => join(import.meta.dirname, "fixtures", name);

test("runAsProcess() ends with 0 after success", async () => {
  const { code, stdout, stderr } = await runFixture("program.ts", ["count", "2"]);
  expect([code, stdout.split("\n").length, stderr]).toEqual([0, 3, ""]);
});

test("runAsProcess() ends with 2 and one message after a user's mistake", async () => {
  const { code, stdout, stderr } = await runFixture("program.ts", ["count", "-3"]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toBe("weft: -3: there is no such flag here;\n  --help lists the flags\n");
});

test("runAsProcess() ends with 1 after a fault of its own, and shows the stack only with --debug", async () => {
  const plain = await runFixture("program.ts", ["fail"]);
  expect(plain.code).toBe(1);
  expect(plain.stderr).toBe(
    "weft: internal error: RangeError: a fault;\n  --debug shows where it arose\n",
  );
  const debug = await runFixture("program.ts", ["fail", "--debug"]);
  expect(debug.code).toBe(1);
  expect(debug.stderr).toContain("program.ts:");
});

test("runAsProcess() ends with 75 after what may go better another time", async () => {
  const { code, stderr } = await runFixture("program.ts", ["wait"]);
  expect(code).toBe(75);
  expect(stderr).toBe("weft: cluster: nobody came;\n  start the others\n");
});

test("runAsProcess() ends with the exit code that the command returns", async () => {
  expect((await runFixture("program.ts", ["stop"])).code).toBe(130);
});

test("runAsProcess() writes everything before it ends, however slow the reader", async () => {
  const { stdout } = await runShell("$PROGRAM count 20000 | (sleep 1; wc -l)");
  expect(Number(stdout)).toBe(20000);
});

test("runAsProcess() ends quietly when the reader has seen enough", async () => {
  const { stdout, stderr } = await runShell("($PROGRAM count 20000; echo code $? >&2) | head -1");
  expect(stdout.split("\n").length).toBe(2);
  expect(stderr).toBe("code 0\n");
});

test("--plugin adds a component whose schema becomes flags", async () => {
  const args = ["rates", "--plugin", fixture("halving.ts"), "--lr-scheduler", "halving"];
  const { code, stdout, stderr } = await runFixture("program.ts", [
    ...args,
    "--lr",
    "8",
    "--halving-updates",
    "1",
  ]);
  expect([code, stderr]).toEqual([0, ""]);
  const [first, second, third, record] = stdout.trim().split("\n");
  expect([first, second, third]).toEqual(["8", "4", "2"]);
  const { plugins, sections } = JSON.parse(record ?? "");
  expect(plugins[0].name).toBe("halving.ts");
  expect(plugins[0].sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(sections.lr_scheduler).toEqual({
    component: "halving",
    name: "halving",
    config: { halving_updates: 1 },
  });
});

test("--help tells the flags of a plug-in's component", async () => {
  const args = ["rates", "--help", "--plugin", fixture("halving.ts"), "--lr-scheduler", "halving"];
  const { stdout } = await runFixture("program.ts", args);
  expect(stdout).toContain(
    "--halving-updates N         updates until the rate is half (default: 1)",
  );
});
