// The GPU is lost in the midst of a training: one error that names the last checkpoint, or a restart from it.
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { goldenPath } from "../support/golden.ts";
import { webgpu } from "../support/webgpu.ts";
import { stateOf } from "./run_folder.ts";
import { tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-loss-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hook = resolve(import.meta.dirname, "../support/losing_device.ts");
const main = resolve(import.meta.dirname, "../../src/cli/main.ts");
const data = goldenPath("training/runs/data-bin");

/** Trains for 8 updates, saving at every second one, on devices of which some are lost. */
function train(name: string, losses: string, flags = "") {
  const saveDir = join(folder, name);
  const args = [
    ...["train", data, ...tinyModel, "--save-dir", saveDir, "--device", "webgpu:software"],
    ...words("--max-tokens 400 --required-seq-len-multiple 8 --max-update 8 --log-format none"),
    ...words("--disable-validation --save-interval-updates 2 --no-epoch-checkpoints"),
    ...words("--keep-interval-updates 1 --dropout 0.2"),
    ...words(flags),
  ];
  const { status, stderr } = spawnSync(process.execPath, ["--preload", hook, main, ...args], {
    encoding: "utf8",
    env: { ...process.env, WEFT_TEST_LOSSES: losses },
    timeout: 100_000,
    killSignal: "SIGKILL",
  });
  return { status, stderr, saveDir };
}

const onGpu = (title: string, body: () => void): void => {
  if ("reason" in webgpu) test.skip(`${title} (${webgpu.reason})`, body);
  else if ("Deno" in globalThis) test.skip(`${title} (Deno loads no hook beforehand)`, body);
  else test(title, body, 110_000);
};

onGpu("train names the last checkpoint when the GPU is lost, and says that it may go on", () => {
  const { status, stderr, saveDir } = train("error", "5");
  expect(status).toBe(75);
  const [problem, remedy] = stderr.trimEnd().split("\n").slice(-2);
  expect(problem).toMatch(
    /^weft: --device webgpu: the device llvmpipe.* was lost .* after update 4;$/,
  );
  const last = join(saveDir, "checkpoint_last.safetensors");
  expect(remedy).toStartWith(`  ${last} holds update 4: go on from it with --restore-file ${last}`);
});

onGpu("train --restart-on-device-loss gives the bits of a run whose GPU was not lost", () => {
  const undisturbed = train("undisturbed", "");
  const { status, stderr, saveDir } = train("restarted", "5 3", "--restart-on-device-loss");
  expect(status).toBe(0);
  const restarts = [...stderr.matchAll(/after update (\d+): opening it again.*, update (\d+)$/gm)];
  expect(restarts.map(([, reached, from]) => [reached, from])).toEqual([
    ["4", "4"],
    ["6", "6"],
  ]);
  expect(stateOf(saveDir)).toEqual(stateOf(undisturbed.saveDir));
});

onGpu("train --restart-on-device-loss gives up where restarts bring the run no further", () => {
  const { status, stderr } = train("hopeless", "3 1 1 1 1 1", "--restart-on-device-loss");
  expect(status).toBe(75);
  // The run comes as far as update 2 once, and then no further three times.
  const restarts = [...stderr.matchAll(/after update (\d+): opening it again/g)];
  expect([restarts.map(([, reached]) => reached), stderr]).toEqual([["2", "2", "2", "2"], stderr]);
  expect(stderr).toContain("3 restarts in a row brought the run no further");
});
