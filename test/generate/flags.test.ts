// Flags of fairseq's commands over models: each does what it says, or is refused.
import { expect, test } from "bun:test";
import { goldenPath, goldenTest } from "../support/golden.ts";
import { data, model, needs, run, runOn, search } from "./run_command.ts";

const ERASE = "\r\x1b[K";

test("generate, interactive and validate refuse the flags of training's log", async () => {
  for (const command of ["generate", "interactive", "validate"]) {
    for (const flag of ["--log-file", "--log-interval", "--log-format"]) {
      if (command === "validate" && flag === "--log-format") continue;
      const { code, err } = await run(command, "data", "--path", "model.pt", flag, "5");
      expect([code, err]).toEqual([2, expect.stringContaining(`${flag}: there is no such flag`)]);
    }
  }
});

goldenTest("--no-progress-bar leaves the bar out, on a terminal too", needs, async () => {
  for (const args of [
    ["generate", data(), "--path", model(), ...search],
    ["validate", data(), "--path", model(), "--batch-size", "8"],
  ]) {
    expect((await runOn(true, ...args)).err).toContain(ERASE);
    expect((await runOn(true, ...args, "--no-progress-bar")).err).not.toContain(ERASE);
  }
});

goldenTest("validate --log-format json prints an object and draws no bar", needs, async () => {
  const args = ["validate", data(), "--path", model(), "--batch-size", "8"];
  const { out, err } = await runOn(true, ...args, "--log-format", "json");
  expect(out).toMatch(/\| INFO \| valid \| \{"valid_loss": "[\d.]+", .*\}\n$/);
  expect(err).not.toContain(ERASE);
});

for (const [overrides, message] of [
  [
    "{'encoder_layerz': 3}",
    '"encoder_layerz" is no setting of the model (transformer);\n  did you',
  ],
  [
    "{'source_lang': 'en'}",
    '"source_lang" is no setting of the model (transformer);\n  weft train',
  ],
  ["{'encoder_layers': 1000000000}", "encoder_layers: is 1000000000, but the file's tensors have"],
  ["{'max_target_positions': 1000000000000}", "max_target_positions: is 1000000000000"],
] as const) {
  goldenTest(`--model-overrides "${overrides}" is refused`, needs, async () => {
    const flags = ["--path", model(), "--model-overrides", overrides];
    const { code, err } = await run("generate", data(), ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });
}

goldenTest("validate --eval-bleu logs what generate scores", needs, async () => {
  const searching = ["--beam", "2", "--max-len-b", "20", "--batch-size", "8"];
  const scored = await run(
    ...["generate", data(), "--path", model(), ...searching, "--gen-subset", "valid", "--quiet"],
    ...["--scoring", "sacrebleu", "--sacrebleu-tokenizer", "none", "--remove-bpe"],
  );
  const [, bleu] = /BLEU = ([\d.]+)/.exec(scored.out) ?? [];
  const validation = ["validate", data(), "--path", model(), "--batch-size", "8"];
  const bleuFlags = [
    ...["--eval-bleu-args", '{"beam": 2, "max_len_b": 20}', "--eval-bleu-remove-bpe"],
    ...["--eval-tokenized-bleu", "--eval-bleu-print-samples"],
  ];
  const validated = await run(...validation, "--eval-bleu", ...bleuFlags);
  const [, logged] = / \| ppl [\d.]+ \| bleu ([\d.]+) \| wps /.exec(validated.out) ?? [];
  expect(Math.abs(Number(logged) - Number(bleu))).toBeLessThan(0.02);
  expect(validated.err).toContain("example hypothesis: ");
  const idle = await run(...validation, ...bleuFlags);
  expect([idle.code, idle.err]).toEqual([2, expect.stringContaining("add --eval-bleu")]);
});

test("generate and interactive refuse the flags of a validation's BLEU", async () => {
  for (const command of ["generate", "interactive"]) {
    const { code, err } = await run(command, "data", "--path", "m.pt", "--eval-bleu-args", "{}");
    expect([code, err]).toEqual([
      2,
      expect.stringContaining(
        "--eval-bleu-args: there is no such flag here;\n  leave it out: it is of validations",
      ),
    ]);
  }
});

goldenTest("--replace-unk refuses data that does not tell its unknown words", needs, async () => {
  const words = goldenPath("checkpoints/data-bin/dict.en.txt");
  for (const flags of [["--replace-unk"], ["--replace-unk", words]]) {
    const { code, err } = await run("generate", data(), "--path", model(), ...search, ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining("--dataset-impl raw")]);
  }
});

for (const [what, flags, message] of [
  [
    "two scores",
    ["--sacrebleu", "--scoring", "chrf"],
    "--sacrebleu, --scoring chrf: are different",
  ],
  ["settings of another score", ["--sacrebleu-tokenizer", "char"], "add --sacrebleu"],
  ["a scorer that is not there", ["--scoring", "bleuu"], "did you mean bleu?\n"],
] as const) {
  goldenTest(`generate refuses ${what}`, needs, async () => {
    const { code, err } = await run("generate", data(), "--path", model(), ...flags);
    expect([code, err]).toEqual([2, expect.stringContaining(message)]);
  });
}

goldenTest("generate --sacrebleu is --scoring sacrebleu", needs, async () => {
  const scored = (...flags: string[]) =>
    run("generate", data(), "--path", model(), ...search, "--quiet", ...flags);
  const { out } = await scored("--sacrebleu", "--sacrebleu-tokenizer", "char");
  expect(out).toMatch(/: BLEU = /);
  expect((await scored("--scoring", "sacrebleu", "--sacrebleu-tokenizer", "char")).out).toBe(out);
});

goldenTest(
  "files that are not there, or not what they should be, get their own remedy",
  needs,
  async () => {
    const absent = await run(
      ...["interactive", data(), "-s", "en", "-t", "de", "--path", model()],
      ...["--input", goldenPath("checkpoints/data-bin/dict.en.txt"), "--replace-unk", "/nope"],
    );
    expect(absent.err).toContain("/nope: the text cannot be read");
    expect(absent.err).toContain("give --replace-unk a dictionary with a source and a target word");
    const text = goldenPath("checkpoints/data-bin/dict.en.txt");
    const { err } = await run("generate", data(), "--path", text);
    expect(err).toContain(
      "it is neither a safetensors file nor one of PyTorch's;\n  give a checkpoint",
    );
  },
);
