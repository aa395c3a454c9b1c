// What the goldens do not show: shards, files, policies, mistakes, and models that weft trained.
import { afterAll, beforeAll, expect } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenTest } from "../support/golden.ts";
import { data, idsOf, model, needs, run, search } from "./run_command.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weft-commands-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

goldenTest("generate: shards together are the whole set, each sentence once", needs, async () => {
  const ids: number[] = [];
  for (const shard of ["0", "1"]) {
    const { out } = await run(
      ...["generate", data(), "--path", model(), ...search],
      ...["--num-shards", "2", "--shard-id", shard],
    );
    ids.push(...idsOf(out));
  }
  expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i));
});

goldenTest("generate: --results-path takes the lines, the log the score", needs, async () => {
  const printed = await run("generate", data(), "--path", model(), ...search);
  const written = await run(
    ...["generate", data(), "--path", model(), ...search],
    ...["--results-path", join(folder, "results")],
  );
  expect(written.out).toBe("");
  expect(written.err).toContain("Generate test with beam=2: BLEU4 = ");
  expect(readFileSync(join(folder, "results/generate-test.txt"), "utf8")).toBe(printed.out);
});

goldenTest("generate: --quiet leaves the score", needs, async () => {
  const { out } = await run("generate", data(), "--path", model(), ...search, "--quiet");
  expect(out).toMatch(/^Generate test with beam=2: BLEU4 = .*\n$/);
});

goldenTest(
  "generate: sampling draws the same for one seed, whatever the batches",
  needs,
  async () => {
    const draw = async (...more: string[]): Promise<Map<string, string>> => {
      const flags = ["--sampling", "--sampling-topk", "5", "--beam", "1", ...more];
      const { out } = await run("generate", data(), "--path", model(), ...flags);
      return new Map([...out.matchAll(/^H-(\d+)\t\S+\t(.*)$/gm)].map(([, id, text]) => [id, text]));
    };
    const first = await draw("--batch-size", "8");
    expect(await draw("--batch-size", "3")).toEqual(first);
    expect(await draw("--batch-size", "8", "--seed", "2")).not.toEqual(first);
  },
);

goldenTest(
  "generate: sentences that are too long follow --on-too-long and are counted",
  needs,
  async () => {
    const flags = [
      "generate",
      data(),
      "--path",
      model(),
      ...search,
      "--max-source-positions",
      "12",
    ];
    const refused = await run(...flags);
    expect([refused.code, refused.out]).toEqual([2, ""]);
    expect(refused.err).toContain("choose --on-too-long truncate or skip");
    const cut = await run(...flags, "--on-too-long", "truncate");
    expect(idsOf(cut.out).length).toBe(24);
    const skipped = await run(...flags, "--on-too-long", "skip");
    const [, count] = /(\d+) of 24 sentence pairs .* are skipped/.exec(skipped.err) ?? [];
    expect(idsOf(skipped.out).length).toBe(24 - Number(count));
  },
);

for (const [what, flags, message] of [
  ["two strategies", ["--sampling", "--diversity-rate", "1"], "are different ways to search"],
  ["--sampling-topk alone", ["--sampling-topk", "5"], "add --sampling"],
  ["a shard that is not there", ["--num-shards", "2", "--shard-id", "2"], "only 2 shards"],
  ["averages that are not there", ["--ema"], "holds no averaged weights"],
  ["--bpe without codes", ["--bpe", "subword_nmt"], "add --bpe-codes FILE"],
] as const) {
  goldenTest(`generate refuses ${what}`, needs, async () => {
    const { code, err } = await run("generate", data(), "--path", model(), ...flags);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
}

goldenTest("generate names both sizes where the dictionary is not the model's", needs, async () => {
  const other = join(folder, "other");
  cpSync(data(), other, { recursive: true });
  writeFileSync(join(other, "dict.de.txt"), "a 1\nb 1\n");
  const { code, err } = await run("generate", other, "--path", model());
  expect(code).toBe(2);
  expect(err).toContain("dictionary of de: it has 6 symbols, the decoder of");
  expect(err).toContain("has 216");
});

goldenTest("interactive numbers lines on, in their order, empty ones too", needs, async () => {
  const input = join(folder, "lines.txt");
  writeFileSync(input, "the end of a\n\nal@@ l pa@@ ge@@ s .\r\nis");
  const flags = ["--path", model(), "--input", input, "-s", "en", "-t", "de", ...search];
  const { out } = await run("interactive", data(), ...flags, "--buffer-size", "3");
  expect(idsOf(out)).toEqual([0, 1, 2, 3]);
  expect(out).toContain("S-1\t\n");
  expect([...out.matchAll(/^H-(\d+)/gm)].map(([, id]) => Number(id))).toEqual([0, 1, 2, 3]);
});

goldenTest(
  "validate prints fairseq's line, by the checkpoint's criterion or another",
  needs,
  async () => {
    const flags = ["validate", data(), "--path", model(), "--batch-size", "8"];
    const smoothed = await run(...flags);
    expect(smoothed.out).toMatch(
      /\| INFO \| valid \| valid on 'valid' subset \| loss [\d.]+ \| nll_loss [\d.]+ \| ppl [\d.]+ \| wps [\d.]+ \| wpb [\d.]+ \| bsz 8\n$/,
    );
    const plain = await run(...flags, "--criterion", "cross_entropy");
    const [, nll] = /nll_loss ([\d.]+)/.exec(smoothed.out) ?? [];
    expect(plain.out).toContain(`| loss ${nll} |`);
    expect(plain.out).not.toContain("nll_loss");
  },
);

goldenTest(
  "--eval-bleu logs what generate scores, and can decide which checkpoint is best",
  needs,
  async () => {
    const save = join(folder, "run");
    // The training set does for this: the short validation set, which travels with a clone.
    const trained = await run(
      ...[
        "train",
        data(),
        "--train-subset",
        "valid",
        "--arch",
        "transformer_tiny",
        "--save-dir",
        save,
      ],
      ...[
        "--max-epoch",
        "2",
        "--max-tokens",
        "400",
        "--lr",
        "1e-3",
        "--store-ema",
        "--dropout",
        "0",
      ],
      ...[
        "--eval-bleu",
        "--eval-bleu-args",
        '{"beam": 2, "max_len_b": 20}',
        "--eval-tokenized-bleu",
      ],
      ...["--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric"],
      ...["--log-format", "simple"],
    );
    const values = [...trained.err.matchAll(/bleu ([\d.]+)/g)].map(([, value]) => Number(value));
    expect(values.length).toBeGreaterThanOrEqual(2);
    const last = join(save, "checkpoint_last.safetensors");
    const scored = await run(
      ...["generate", data(), "--path", last, "--gen-subset", "valid", "--beam", "2", "--quiet"],
      ...["--max-len-b", "20", "--scoring", "sacrebleu", "--sacrebleu-tokenizer", "none"],
    );
    const [, bleu] = /BLEU = ([\d.]+)/.exec(scored.out) ?? [];
    // Unknown words are spelled otherwise in training, but none matches in either.
    const [, logged] = /epoch 002 \| valid .*? bleu ([\d.]+)/.exec(trained.err) ?? [];
    expect(Math.abs(Number(logged) - Number(bleu))).toBeLessThan(0.02);
    expect(existsSync(join(save, "checkpoint_best.safetensors"))).toBe(true);

    // A checkpoint of weft's needs no data folder, and has averaged weights beside its own.
    const input = join(folder, "words.txt");
    writeFileSync(input, "the end\n");
    const typed = await run("interactive", "--path", last, "--ema", "--input", input);
    expect(typed.out).toMatch(/^S-0\t.*\nW-0\t.*\nH-0\t/);

    const mean = join(folder, "mean.safetensors");
    const averaged = await run(
      ...["average", "--inputs", save, "--num-epoch-checkpoints", "2", "--output", mean],
    );
    expect(averaged.out).toBe(`${mean}: mean of 2 checkpoints\n`);
    expect((await run("generate", data(), "--path", mean, "--quiet")).out).toMatch(
      /^Generate test/,
    );
  },
);

goldenTest("--eval-bleu-args names what the search has not", needs, async () => {
  const { code, err } = await run(
    ...["train", data(), "--train-subset", "valid", "--arch", "transformer_tiny", "--no-save"],
    ...["--max-tokens", "400", "--eval-bleu", "--eval-bleu-args", '{"bean": 2}'],
  );
  expect(code).toBe(2);
  expect(err).toContain("--eval-bleu-args: there is no bean;\n  did you mean beam?");
});
