import { expect, test } from "bun:test";
import { generate } from "../../src/cli/generate.ts";
import { runProgram } from "../../src/cli/program.ts";
import { batchOrder } from "../../src/generate/translation_team.ts";
import { recordingTerminal } from "../cli/recording_terminal.ts";
import { goldenTest } from "../support/golden.ts";
import { data, model, needs } from "./run_command.ts";

async function generateWith(threads: number, ...flags: string[]) {
  const { terminal, stdout, stderr } = recordingTerminal(false);
  const cpu = ["--device", "cpu", "--blas", "none", "--threads", `${threads}`];
  const args = ["generate", data(), "--path", model(), "--beam", "2", "--batch-size", "2"];
  const code = await runProgram([...args, ...cpu, ...flags], [generate], terminal);
  return { code, out: stdout.text, err: stderr.text };
}

goldenTest("two threads that share the batches print what one prints", needs, async () => {
  const alone = await generateWith(1);
  const together = await generateWith(2);
  expect(together).toMatchObject({ code: 0, out: alone.out });
  expect(alone.out).toContain("\nH-");
});

goldenTest(
  "a mistake that only a search can find is told by whichever thread finds it",
  needs,
  async () => {
    const { code, err } = await generateWith(2, "--min-len", "300");
    expect(code).toBe(2);
    expect(err).toContain("--min-len");
  },
);

test("the last batches go from long to short, and every batch goes once", () => {
  expect(batchOrder(5, 2)).toEqual([4, 3, 2, 1, 0]);
  const order = batchOrder(40, 2);
  expect(order.slice(0, 24)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  expect(order.slice(24)).toEqual(Array.from({ length: 16 }, (_, i) => 39 - i));
});
