// Ctrl-C and the signals of schedulers, sent to a process that trains.
import { afterAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { loggedValues, recordOf, stateOf } from "./run_folder.ts";
import { writeText } from "./shards.ts";
import { cpu, RunningWeft, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-interrupt-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const always = [...cpu, ...tinyModel, "--log-format", "json", "--log-interval", "1"];
const LAST = "checkpoint_last.safetensors";
const LONG = 60_000;

test(
  "train saves and says so on SIGINT, SIGTERM and SIGUSR1, and goes on to the same bits",
  async () => {
    const args = [
      ...["train", goldenPath("training/runs/data-bin"), ...always, "--no-epoch-checkpoints"],
      ...words(
        "--max-tokens 400 --max-epoch 2 --dropout 0.1 --update-freq 3 --lr 1e-3 --store-ema",
      ),
    ];
    const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
    const uninterrupted = succeed([...args, "--save-dir", whole]);
    const lines: string[] = [];
    for (const [signal, number] of [
      ["SIGINT", 2],
      ["SIGTERM", 15],
      ["SIGUSR1", 10],
    ] as const) {
      const run = new RunningWeft([...args, "--save-dir", stopped]);
      await run.saw("train_inner", 2);
      run.signal(signal);
      expect(await run.end()).toBe(128 + number);
      lines.push(...run.lines);
      const { num_updates: updates } = recordOf(join(stopped, LAST));
      const said = run.lines.join("\n");
      expect(said).toContain(`${signal}: finishing this update, then saving`);
      expect(said).toContain(
        `stopped by ${signal} after update ${updates}; ${join(stopped, LAST)}`,
      );
    }
    const { stderr } = succeed([...args, "--save-dir", stopped]);
    lines.push(...stderr.split("\n"));
    expect(stateOf(stopped)).toEqual(stateOf(whole));
    expect(loggedValues(lines)).toEqual(loggedValues(uninterrupted.stderr.split("\n")));
  },
  LONG,
);

test(
  "train hears signals between the micro-batches of an update, and while it translates for BLEU",
  async () => {
    const data = goldenPath("training/runs/data-bin");
    const flags = ["--no-save", "--save-dir", join(folder, "none"), "--batch-size", "1"];
    const args = ["train", data, ...always, ...flags];
    const update = new RunningWeft([...args, ...words("--update-freq 100000 --max-epoch 1000")]);
    await update.saw("memory:", 1);
    update.signal("SIGINT");
    expect(await update.saw("SIGINT: finishing this update")).toBe(true);
    update.signal("SIGINT");
    expect(await update.end()).toBe(130);
    expect(update.lines.join("\n")).not.toContain("train_inner");

    const search = '--eval-bleu --eval-bleu-args {"beam":20,"min_len":200} --batch-size-valid 48';
    const bleu = new RunningWeft([...args, ...words(`${search} --max-update 1`)]);
    await bleu.saw("train_inner", 1);
    bleu.signal("SIGINT");
    expect(await bleu.saw("SIGINT: finishing this update")).toBe(true);
    bleu.signal("SIGINT");
    expect(await bleu.end()).toBe(130);
    expect(bleu.lines.join("\n")).not.toContain("| valid |");
  },
  LONG,
);

test(
  "train ends at once on a second SIGINT, in the middle of a validation, and nothing saved is lost",
  async () => {
    const [text, data] = [join(folder, "text"), join(folder, "data")];
    mkdirSync(text);
    writeText(join(text, "train"), 0, 60);
    writeText(join(text, "valid"), 100, 9000);
    succeed([
      ...words("preprocess -s a -t b --destdir"),
      ...[data, "--trainpref", join(text, "train"), "--validpref", join(text, "valid")],
    ]);
    const saveDir = join(folder, "twice");
    const args = ["train", data, ...always, ...words("--batch-size 8 --batch-size-valid 1")];
    succeed([...args, "--save-dir", saveDir, ...words("--max-update 2 --disable-validation")]);
    copyFileSync(join(saveDir, LAST), join(folder, "before.safetensors"));

    const run = new RunningWeft([...args, "--save-dir", saveDir, ...words("--max-epoch 1")]);
    await run.saw("train_inner", 6); // updates 3 to 8, the last of the epoch
    run.signal("SIGINT");
    expect(await run.saw("SIGINT: finishing this update")).toBe(true);
    run.signal("SIGINT");
    expect(await run.end()).toBe(130);
    expect(run.lines.join("\n")).not.toContain("| valid |");
    expect(run.lines.join("\n")).not.toContain("stopped by");
    expect(stateOf(saveDir)).toEqual(stateOf(folder, "before.safetensors"));
  },
  LONG,
);
