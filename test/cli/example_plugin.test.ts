// docs/examples/regularizers.ts, the worked example of docs/plug-ins.md: that it computes what it says.
// It is trained with from source below, and through the compiled binary in test/standalone.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "../../src/cli/generate.ts";
import { runProgram } from "../../src/cli/program.ts";
import { train } from "../../src/cli/train.ts";
import { validate } from "../../src/cli/validate.ts";
import type { Criterion } from "../../src/criterions/criterion.ts";
import { type CpuDevice, openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { read } from "../../src/engine/compile.ts";
import { Randomness, withRandomness } from "../../src/engine/randomness.ts";
import {
  bindParameters,
  type EncoderDecoderModel,
  initializeParameters,
} from "../../src/models/model.ts";
import { loadPlugin } from "../../src/plugin.ts";
import { createRegistries } from "../../src/registries.ts";
import { constant, type Tensor } from "../../src/tensor/tensor.ts";
import { goldenPath, goldenTest } from "../support/golden.ts";
import { recordingTerminal } from "./recording_terminal.ts";

const folder = join(import.meta.dirname, "../../docs/examples");
const registries = createRegistries();
let device: CpuDevice;
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1, blas: "none" });
  await loadPlugin("regularizers.ts", folder, registries);
});
const work = mkdtempSync(join(tmpdir(), "weft-example-"));
afterAll(async () => {
  rmSync(work, { recursive: true });
  await device.close();
});

const tokens = (...rows: number[][]): Tensor =>
  constant(Int32Array.from(rows.flat()), [rows.length, rows[0].length]);

function confidencePenalty(settings: object): Criterion {
  const component = registries.criterions.get("confidence_penalty");
  return component.build(component.config.parse(settings), { padding: 1, sentenceAvg: false });
}

test("the example plug-in is shorter than 60 lines", () => {
  const lines = readFileSync(join(folder, "regularizers.ts"), "utf8").split("\n").length - 1;
  expect(lines).toBeLessThan(60);
});

test("confidence_penalty is -log p(y) less the weighted entropy, without padding", async () => {
  const logits = [
    [0.5, -1, 2, 0],
    [1, 1, 1, 1],
    [3, 0, 0, -3],
  ];
  const target = [2, 0, 1]; // 1 is padding
  const model = { forward: () => constant(Float32Array.from(logits.flat()), [1, 3, 4]) };
  const sample = {
    srcTokens: tokens([4]),
    prevOutputTokens: tokens(target),
    target: tokens(target),
  };
  const criterion = confidencePenalty({ penalty_weight: 0.3 });
  const sums = criterion.forward(model as unknown as EncoderDecoderModel, sample);
  let [nll, entropy] = [0, 0];
  for (const [i, row] of logits.slice(0, 2).entries()) {
    const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
    const p = row.map((x) => Math.exp(x) / total);
    nll -= Math.log(p[target[i]]);
    entropy -= p.reduce((sum, q) => sum + q * Math.log(q), 0);
  }
  expect((await read(device, sums.nll_loss))[0]).toBeCloseTo(nll, 5);
  expect((await read(device, sums.loss))[0]).toBeCloseTo(nll - 0.3 * entropy, 5);
  const losses = { loss: 6 * Math.LN2, nll_loss: 8 * Math.LN2 };
  const logged = criterion.metrics({ losses, sampleSize: 2, ntokens: 2, nsentences: 1 });
  expect(logged.loss).toBeCloseTo(3, 12);
  expect(logged.ppl).toBeCloseTo(16, 12);
});

test("transformer_masked hides source words in training only, and never symbols", async () => {
  const { component, preset } = registries.models.choose("transformer_masked_tiny");
  const small = { encoder_embed_dim: 8, encoder_ffn_embed_dim: 8, encoder_attention_heads: 2 };
  const settings = {
    ...preset,
    ...small,
    decoder_attention_heads: 2,
    dropout: 0,
    source_mask: 0.999,
  };
  const model = component.build(component.config.parse(settings), {
    sourceSymbols: 10,
    targetSymbols: 10,
    padding: 1,
    sharedDictionary: true,
  });
  bindParameters(model);
  initializeParameters(model, device, 1);
  const logits = async (...source: number[]) =>
    Array.from(await read(device, model.forward(tokens(source), tokens([2, 5]))));
  const training = (...source: number[]) => {
    const key = constant(Int32Array.of(1, 1, 0, 0), [4]);
    return withRandomness(new Randomness(key), () => logits(...source));
  };
  const plain = await logits(1, 7, 8, 9, 2);
  expect(await training(1, 7, 8, 9, 2)).not.toEqual(plain);
  expect(await training(1, 7, 8, 9, 2)).toEqual(await logits(1, 3, 3, 3, 2));
  expect(plain).not.toEqual(await logits(1, 3, 3, 3, 2));
});

async function weft(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { terminal, stdout, stderr } = recordingTerminal();
  const cpu = ["--device", "cpu", "--blas", "none", "--threads", "1"];
  const code = await runProgram([...args, ...cpu], [train, generate, validate], terminal);
  return { code, out: stdout.text, err: stderr.text };
}

goldenTest(
  "the example plug-in trains from source, and its checkpoint asks for it again",
  "checkpoints/data-bin/valid.en-de.en.bin",
  async () => {
    const data = goldenPath("checkpoints/data-bin");
    const save = join(work, "run");
    const example = join(folder, "regularizers.ts");
    const trained = await weft(
      ...["train", data, "--train-subset", "valid", "--save-dir", save, "--plugin", example],
      ...["--arch", "transformer_masked_tiny", "--encoder-embed-dim", "16"],
      ...["--encoder-ffn-embed-dim", "16", "--source-mask", "0.2"],
      ...["--criterion", "confidence_penalty", "--penalty-weight", "0.1"],
      ...["--max-epoch", "2", "--max-tokens", "400", "--lr", "1e-3", "--log-format", "json"],
    );
    expect([trained.code, trained.err]).toEqual([0, expect.stringContaining('"valid_loss": ')]);

    const path = join(save, "checkpoint_last.safetensors");
    const scored = (...flags: string[]) =>
      weft("generate", data, "--path", path, "--beam", "1", "--quiet", ...flags);
    const same = await scored("--plugin", example);
    expect(same.out).toMatch(/^Generate test with beam=1: BLEU4 = /);
    expect(same.err).not.toContain("has changed");
    const bare = await scored();
    expect(bare.code).toBe(2);
    expect(bare.err).toContain(
      `${path}: was made with plug-in regularizers.ts; its model transformer_masked is not registered;\n  give --plugin regularizers.ts`,
    );
    const changed = join(work, "regularizers.ts");
    writeFileSync(changed, `// changed\n${readFileSync(example, "utf8")}`);
    const other = await scored("--plugin", changed);
    expect(other.code).toBe(0);
    expect(other.err).toContain(`${path}: plug-in regularizers.ts has changed since`);
    const validated = await weft("validate", data, "--path", path, "--plugin", example);
    expect(validated.out).toContain("| valid on 'valid' subset | loss ");
  },
);
