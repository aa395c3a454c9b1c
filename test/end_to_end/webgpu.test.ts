// A model is trained and decoded on WebGPU, on a software adapter where there is no other, as on the cpu.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenPath } from "../support/golden.ts";
import { webgpu } from "../support/webgpu.ts";
import { accountedFor } from "./run_folder.ts";
import { cpu, succeed, tinyModel, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = goldenPath("training/runs/data-bin");
const gpu = words("--device webgpu:software");

/** Losses and gradient norms as they are logged, one line for each update. */
function train(device: readonly string[], name: string): number[][] {
  const { stderr } = succeed([
    ...["train", data, ...tinyModel, ...device, "--save-dir", join(folder, name)],
    ...["--profile", join(folder, `${name}.json`)],
    ...words("--dropout 0.2 --max-tokens 600 --required-seq-len-multiple 8 --max-update 14"),
    ...words("--log-format json --log-interval 1 --lr 3e-3 --clip-norm 1 --no-epoch-checkpoints"),
  ]);
  return stderr.split("\n").flatMap((line) => {
    const [, json] = / \| train_inner \| (\{.*\})$/.exec(line) ?? [];
    if (json === undefined) return [];
    const { loss, gnorm } = JSON.parse(json) as { loss: string; gnorm: string };
    return [[Number(loss), Number(gnorm)]];
  });
}

function translations(device: readonly string[]): string[] {
  const path = join(folder, "cpu/checkpoint_last.safetensors");
  const flags = words("--gen-subset valid --beam 3 --batch-size 16 --max-len-b 12");
  const { stdout } = succeed(["generate", data, "--path", path, ...device, ...flags]);
  return stdout.split("\n").filter((line) => line.startsWith("H-"));
}

const title = "train and generate on WebGPU do what they do on the cpu, dropout included";
const body = (): void => {
  const [here, there] = [train(cpu, "cpu"), train(gpu, "gpu")];
  expect(there.length).toBe(14);
  for (const name of ["cpu.json", "gpu.json"]) {
    expect(accountedFor(join(folder, name))).toBeGreaterThan(0.95);
  }
  for (const [update, [loss, gnorm]] of there.entries()) {
    expect(Math.abs(loss - here[update][0])).toBeLessThan(5e-3);
    expect(Math.abs(gnorm / here[update][1] - 1)).toBeLessThan(2e-2);
  }
  const texts = (lines: readonly string[]) => lines.map((line) => line.split("\t")[2]);
  expect(texts(translations(gpu))).toEqual(texts(translations(cpu)));
};
if ("reason" in webgpu) test.skip(`${title} (${webgpu.reason})`, body);
else test(title, body, 110_000);
