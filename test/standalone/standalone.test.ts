// The compiled binary, alone in an empty folder: no node_modules, no checkout, no home to write to.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededDigits } from "../../recipes/support/digits.ts";
import { buildBinary } from "../../src/cli/build.ts";
import { version } from "../../src/version.ts";
import { askServer, freePort, startServer } from "../edge/platforms.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-standalone-"));
const seconds = 1000;

/** Nothing of the caller's environment; a home that not even root can write to. */
const environment = { PATH: "/usr/bin:/bin", HOME: "/proc", TMPDIR: tmpdir() };

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function weft(...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(join(folder, "weft"), args, {
    cwd: folder,
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 80 * seconds,
  });
  return { code: status, stdout, stderr };
}

/** Runs a command that must succeed; its output, or a failure that shows what it said. */
function succeed(...args: string[]): Outcome {
  const outcome = weft(...args);
  if (outcome.code !== 0) {
    throw new Error(`weft ${args.join(" ")}: exit code ${outcome.code}\n${outcome.stderr}`);
  }
  return outcome;
}

const files = (): string[] => readdirSync(folder).sort();

const model = [
  ...["--arch", "transformer_tiny", "--share-all-embeddings", "--device", "cpu", "--threads", "2"],
  ...["--max-tokens", "512", "--lr", "3e-3", "--log-format", "simple"],
];

beforeAll(async () => {
  await buildBinary(join(folder, "weft"));
  const digits = seededDigits(3);
  for (const [split, lines] of Object.entries({ train: 400, valid: 30, test: 20 })) {
    const rows = Array.from({ length: lines }, () => digits(1, 8));
    const text = (order: (row: number[]) => number[]) => rows.map((r) => `${order(r).join(" ")}\n`);
    writeFileSync(join(folder, `${split}.src`), text((row) => row).join(""));
    writeFileSync(join(folder, `${split}.tgt`), text((row) => row.toReversed()).join(""));
  }
}, 60 * seconds);

afterAll(() => rmSync(folder, { recursive: true }));

test("the binary tells its version, its devices, and why there is no GPU", () => {
  expect(succeed("--version").stdout).toBe(`${version}\n`);
  const { stdout } = succeed("info");
  expect(stdout).toMatch(/device cpu:\n {2}cpu: \d+ threads?, products by /);
  // Dawn is inside and answers: an adapter, or its own reason. It may not be missing.
  expect(stdout).toMatch(
    /device webgpu:\n {2}(webgpu: .* bun-webgpu\)|bun-webgpu: bun-webgpu finds)/,
  );
});

test("the binary prepares data on two threads", () => {
  succeed(
    ...["preprocess", "-s", "src", "-t", "tgt", "--joined-dictionary", "--workers", "2"],
    ...["--trainpref", "train", "--validpref", "valid", "--testpref", "test", "--destdir", "bin"],
  );
  expect(readFileSync(join(folder, "bin/dict.src.txt"), "utf8").trim().split("\n").length).toBe(12);
});

test(
  "the binary trains on two threads, by BLAS and without",
  () => {
    const { stderr } = succeed(
      ...["train", "bin", ...model, "--max-epoch", "2", "--save-dir", "runs"],
    );
    expect(stderr).toContain("cpu: 2 threads");
    expect(stderr).toMatch(/done training after \d+ updates/);
    expect(existsSync(join(folder, "runs/checkpoint_best.safetensors"))).toBe(true);
    const more = ["--blas", "none", "--max-epoch", "3", "--save-dir", "runs"];
    const resumed = succeed("train", "bin", ...model, ...more).stderr;
    expect(resumed).toContain("products by WASM SIMD");
    expect(resumed).not.toContain("starting from the seed");
  },
  60 * seconds,
);

test(
  "the binary starts itself twice, and the two train as peers",
  () => {
    const run = ["train", "bin", ...model, "--max-epoch", "1", "--save-dir", "launched"];
    const { stderr } = succeed("launch", "-n", "2", "--", ...run);
    expect(stderr).toMatch(/^\[0\] .*generation 1: ranks 0, 1 go on/m);
    expect(stderr.match(/^\[[01]\] .*done training after \d+ updates/gm)).toHaveLength(2);
    expect(readdirSync(join(folder, "launched"))).toContain("checkpoint_last.safetensors");
    rmSync(join(folder, "launched"), { recursive: true });
  },
  60 * seconds,
);

test(
  "the binary generates a hypothesis for every sentence, and scores them",
  () => {
    const path = ["--path", "runs/checkpoint_best.safetensors"];
    const device = ["--device", "cpu", "--threads", "2"];
    const { stdout } = succeed(
      "generate",
      "bin",
      ...path,
      ...device,
      "--beam",
      "3",
      "--max-len-b",
      "20",
    );
    const lines = (tag: string) =>
      stdout
        .split("\n")
        .filter((line) => line.startsWith(`${tag}-`))
        .map((line) => line.split("\t").at(-1));
    expect(lines("H").length).toBe(20);
    expect(lines("T").length).toBe(20);
    writeFileSync(join(folder, "sys"), lines("D").join("\n"));
    writeFileSync(join(folder, "ref"), lines("T").join("\n"));
    expect(succeed("score", "--sys", "sys", "--ref", "ref").stdout).toMatch(/BLEU4 = \d+\.\d\d/);
  },
  60 * seconds,
);

test(
  "the binary exports, serves and deploys what it trained",
  async () => {
    succeed("export", "runs/checkpoint_best.safetensors", "--out", "bundle");
    expect(succeed("info", "bundle").stdout).toContain("all files have the sizes and hashes");
    const port = await freePort();
    const command = [join(folder, "weft"), "serve", "bundle", "--port", `${port}`];
    const server = await startServer(command, { cwd: folder, port, env: environment });
    const [said] = await askServer(port, ["3 1 4"], { beam: 2, max_len: 8 });
    expect(said.scores.length).toBe(1);
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    expect(page).toStartWith("<!doctype html>");
    expect(await server.stop()).toBe(0);
    for (const platform of ["workerd", "deno", "bun", "static"]) {
      succeed("deploy", platform, "bundle", "--out", `for-${platform}`);
      expect(files()).toContain(`for-${platform}`);
      rmSync(join(folder, `for-${platform}`), { recursive: true });
    }
  },
  60 * seconds,
);

test(
  "the binary trains the criterion and the model of the example plug-in",
  () => {
    copyFileSync(
      join(import.meta.dirname, "../../docs/examples/regularizers.ts"),
      join(folder, "mine.ts"),
    );
    const plugin = [
      ...["--plugin", "./mine.ts", "--criterion", "confidence_penalty", "--penalty-weight", "0.2"],
      ...["--arch", "transformer_masked_tiny", "--source-mask", "0.3"],
    ];
    const small = ["encoder", "decoder"].flatMap((side) => [
      ...[`--${side}-embed-dim`, "16", `--${side}-ffn-embed-dim`, "16"],
      ...[`--${side}-attention-heads`, "2"],
    ]);
    const run = ["--max-epoch", "1", "--save-dir", "masked", "--device", "cpu", "--threads", "2"];
    const { stderr } = succeed(
      ...[
        "train",
        "bin",
        ...plugin,
        ...small,
        ...run,
        "--max-tokens",
        "512",
        "--log-format",
        "simple",
      ],
    );
    expect(stderr).toMatch(/epoch 001 \| loss [\d.]+ \| nll_loss [\d.]+ \| ppl [\d.]+/);
    const tellsPlugin = readFileSync(join(folder, "masked/checkpoint_last.safetensors"));
    expect(tellsPlugin.includes("mine.ts")).toBe(true);
  },
  60 * seconds,
);

test("the binary answers a mistake in one message, and leaves no stray files", () => {
  const { code, stderr } = weft("train", "nowhere", "--device", "cpu");
  expect(code).toBe(2);
  expect(stderr).toStartWith("weft: ");
  expect(stderr).not.toContain("    at ");
  const expected = ["bin", "bundle", "masked", "mine.ts", "ref", "runs", "sys", "weft"];
  const texts = ["test", "train", "valid"].flatMap((split) => [`${split}.src`, `${split}.tgt`]);
  expect(files()).toEqual([...expected, ...texts].sort());
});
