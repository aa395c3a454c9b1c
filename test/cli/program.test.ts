import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { command } from "../../src/cli/command.ts";
import { configCommand } from "../../src/cli/config.ts";
import { info } from "../../src/cli/info.ts";
import { runProgram } from "../../src/cli/program.ts";
import { average } from "../../src/config/schemas/average.ts";
import { optimization } from "../../src/config/schemas/optimization.ts";
import { chooseLrScheduler } from "../../src/registries.ts";
import { recordingTerminal } from "./recording_terminal.ts";

const averaging = command({
  name: "average",
  summary: "write the mean of several checkpoints",
  config: average,
  run: (config, terminal) => terminal.line(JSON.stringify(config)),
});
const training = command({
  name: "train",
  summary: "train a model",
  config: { optimization, lr_scheduler: chooseLrScheduler },
  run: ({ lr_scheduler }, terminal) => terminal.line(lr_scheduler.name),
});
const learning = command({
  name: "bpe learn",
  summary: "learn merges",
  config: z.strictObject({ symbols: z.int().default(10).describe("merges") }),
  run: ({ symbols }, terminal) => terminal.line(`${symbols}`),
});
const wrapping = command({
  name: "wrap",
  summary: "hand a command on",
  config: z.strictObject({
    times: z
      .int()
      .default(1)
      .describe("times")
      .meta({ aliases: ["-n"] }),
    inner: z.array(z.string()).min(1).describe("the command").meta({ rest: true }),
  }),
  run: (config, terminal) => terminal.line(JSON.stringify(config)),
});
const commands = [averaging, training, learning, wrapping, info, configCommand(() => [training])];

async function weft(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { terminal, stdout, stderr } = recordingTerminal();
  const code = await runProgram(args, commands, terminal);
  return { code, out: stdout.text, err: stderr.text };
}

test("weft --help lists the commands, and each command tells its flags", async () => {
  const overview = await weft("--help");
  expect(overview.code).toBe(0);
  for (const { name, summary } of commands)
    expect(overview.out).toContain(`${name}`.padEnd(11) + summary);
  expect((await weft()).out).toBe(overview.out);
  const { out } = await weft("train", "--help", "--lr-scheduler", "inverse_sqrt");
  expect(out).toContain("usage: weft train [flags]");
  expect(out).toContain(
    "--warmup-updates N          updates over which the rate rises linearly to --lr",
  );
  expect(out).toContain("(default: 4000)");
  for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
});

test("weft --version prints the version alone", async () => {
  expect((await weft("--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("weft offers the nearest command", async () => {
  expect(await weft("trian")).toEqual({
    code: 2,
    out: "",
    err: "weft: weft trian: there is no such command;\n  did you mean train?\n",
  });
  expect((await weft("bpe")).err).toContain("there are: bpe learn");
});

test("weft runs a command of one schema, of two words, and with --debug before it", async () => {
  const { out } = await weft("average", "--inputs", "a", "b", "--inputs", "c", "--output", "mean");
  expect(JSON.parse(out)).toEqual({ inputs: ["a", "b", "c"], output: "mean" });
  expect((await weft("bpe", "learn", "--symbols", "5")).out).toBe("5\n");
  expect((await weft("--debug", "train", "--lr-scheduler", "step")).out).toBe("step\n");
});

test("all that stands behind -- belongs to the field that takes it, whatever it looks like", async () => {
  const inner = ["train", "--times", "3", "-h", "--", "--config", "absent.yaml", "--no-such"];
  const { out } = await weft("wrap", "-n", "2", "--", ...inner);
  expect(JSON.parse(out)).toEqual({ times: 2, inner });
  expect((await weft("wrap", "--help")).out).toContain("usage: weft wrap [flags] -- inner");
  expect((await weft("wrap", "train")).err).toContain("put -- before the inner");
  expect((await weft("wrap", "--no-such", "--", "x")).err).toContain("--no-such: there is no such");
  expect((await weft("wrap")).err).toContain("inner: is missing");
  // Without such a field words behind it are words as before.
  const { err } = await weft("train", "--", "word");
  expect(err).toContain('"word" belongs to no flag');
});

test("--plugin takes one file each, and leaves the next word alone", async () => {
  const { err } = await weft("average", "--plugin", "absent.ts", "word", "--output", "x");
  expect(err).toContain("--plugin absent.ts: cannot be read");
  const kept = await weft("average", "--output", "x", "--inputs", "a", "b");
  expect(JSON.parse(kept.out).inputs).toEqual(["a", "b"]);
});

test("weft reports a rule over several flags in the schema's words", async () => {
  const both = ["--num-epoch-checkpoints", "1", "--num-best-checkpoints", "1"];
  const { code, err } = await weft("average", "--inputs", "a", "--output", "b", ...both);
  expect(code).toBe(2);
  expect(err).toContain(
    "weft average: more than one --num-*-checkpoints flag is given;\n  choose by",
  );
});

test("weft config shows values that may serve as a file, with their origins", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weft-cli-"));
  const file = join(folder, "run.yaml");
  writeFileSync(file, "lr_scheduler: inverse_sqrt\nwarmup_updates: 100\n");
  const { code, out } = await weft("config", "train", "--config", file, "--lr", "5e-4");
  expect(code).toBe(0);
  const lines = out.split("\n").map((line) => line.replace(/ +# /, " # "));
  expect(lines).toContain("lr: [0.0005] # --lr");
  expect(lines).toContain("clip_norm: 0 # default");
  expect(lines).toContain(`lr_scheduler: "inverse_sqrt" # ${file}`);
  expect(lines).toContain(`warmup_updates: 100 # ${file}`);
  const copy = join(folder, "copy.yaml");
  writeFileSync(copy, out);
  const again = await weft("config", "train", "--config", copy);
  const values = (text: string) => text.split("\n").map((line) => line.replace(/ +# .*/, ""));
  expect(values(again.out)).toEqual(values(out));
  rmSync(folder, { recursive: true });
});

test("weft info names the runtime and the machine", async () => {
  const { code, out } = await weft("info");
  expect(code).toBe(0);
  expect(out).toMatch(/versions:\n {2}weft \d+\.\d+\.\d+\n {2}(bun|deno|node) /);
  expect(out).toMatch(/\d+ cores\n {2}\d+\.\d GiB memory/);
});

test("a group of commands lists its own, and names the word that is none of them", async () => {
  const { code, out } = await weft("bpe", "--help");
  expect(code).toBe(0);
  expect(out).toContain("bpe learn");
  expect(out).not.toContain("average");
  expect((await weft("bpe")).err).toContain("weft bpe: needs one more word");
  const wrong = await weft("bpe", "teach");
  expect(wrong.code).toBe(2);
  expect(wrong.err).toContain("there is no weft bpe teach;\n  there are: bpe learn");
});
