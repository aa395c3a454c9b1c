import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenTest } from "../support/golden.ts";
import { data, model, needs, run, search } from "./run_command.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-damaged-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The first number of a tensor in a safetensors file becomes NaN. */
function damage(path: string, tensor: string): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  bytes.writeFloatLE(Number.NaN, 8 + length + header[tensor].data_offsets[0]);
  writeFileSync(path, bytes);
}

goldenTest("a model with NaN among its weights translates nothing", needs, async () => {
  const path = join(folder, "damaged.safetensors");
  expect((await run("average", "--inputs", model(), "--output", path)).code).toBe(0);
  damage(path, "decoder.layers.0.fc1.weight");
  for (const flags of [
    [],
    ["--sampling"],
    ["--score-reference"],
    ["--no-repeat-ngram-size", "2"],
  ]) {
    const { code, err } = await run("generate", data(), "--path", path, ...search, ...flags);
    expect(code).toBe(2);
    expect(err).toMatch(/damaged\.safetensors: computes no numbers \(NaN\) for sentences \d+, /);
  }
});
