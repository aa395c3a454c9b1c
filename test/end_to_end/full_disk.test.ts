// Saving onto a disk that is full: the error says so, and the checkpoint of before stays whole.
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { filesIn, stateOf } from "./run_folder.ts";
import { cpu, shellCommand, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-full-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const train = (saveDir: string, updates: number): string[] => [
  ...["train", goldenPath("training/runs/data-bin"), ...cpu, ...tinyModel, "--save-dir", saveDir],
  ...words(`--max-tokens 400 --save-interval-updates 2 --max-update ${updates}`),
];

/** Runs a script of sh; the program is "$@". */
const sh = (script: string, args: readonly string[] = []) =>
  spawnSync("sh", ["-c", script, "sh", ...args], { encoding: "utf8" });

test("train keeps the old checkpoint when a file may not grow to the size of the new one", () => {
  const saveDir = join(folder, "limited");
  succeed(train(saveDir, 2));
  const [before, names] = [stateOf(saveDir), filesIn(saveDir)];
  // Blocks of 512 bytes, some more than the log needs; a checkpoint has 300 kB.
  const script = 'trap "" XFSZ; ulimit -f 100; exec "$@"';
  const { status, stderr } = sh(script, shellCommand(train(saveDir, 4)));
  expect(stderr).toMatch(
    /^weft: .*: cannot be saved: the file is too large for this file system;$/m,
  );
  expect(stderr).toContain("a checkpoint that stood there before is intact");
  expect(status).toBe(2);
  expect(filesIn(saveDir)).toEqual(names);
  expect(stateOf(saveDir)).toEqual(before);
  succeed(train(saveDir, 4));
});

const mounts = sh("unshare -rm mount -t tmpfs none /tmp").status === 0;
const name = "train keeps the old checkpoint when the disk is full";
if (mounts) {
  test(name, () => {
    const disk = join(folder, "disk");
    const copies = join(folder, "copies");
    mkdirSync(disk);
    mkdirSync(copies);
    // Room for one checkpoint and a part of the next. What is left is looked at from outside.
    const script = `mount -t tmpfs -o size=800k none "${disk}" && "$@"; code=$?
      cp "${disk}"/* "${copies}"; exit $code`;
    const args = ["-rm", "sh", "-c", script, "sh", ...shellCommand(train(disk, 8))];
    const { status, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    expect(stderr).toMatch(/^weft: .*: cannot be saved: the disk is full;$/m);
    expect(stderr).toContain("free some space");
    expect(status).toBe(2);
    expect(filesIn(copies).filter((file) => file.endsWith(".tmp"))).toEqual([]);
    const last = "checkpoint_last.safetensors";
    expect(filesIn(copies)).toContain(last);
    expect(stateOf(copies, last)).toHaveProperty("record");
  });
} else {
  test.skip(`${name} (needs a user namespace that may mount tmpfs)`, () => {});
}
