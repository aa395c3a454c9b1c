// From a checkpoint of the real fairseq's to an edge that says what fairseq said, by the commands that a user types.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type HypothesisResult, open, translate } from "weft/edge";
import { Dictionary } from "../../src/data/dictionary.ts";
import { freePort } from "../edge/platforms.ts";
import { type GoldenHypothesis, goldenCase } from "../generate/golden_case.ts";
import { goldenPath } from "../support/golden.ts";
import { ask, served } from "./served.ts";
import { succeed, weft } from "./weft_process.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "weft-edge-fairseq-"));
const at = (name: string): string => join(folder, name);
const checkpoint = goldenPath("checkpoints/transformer_b.pt");
const data = goldenPath("checkpoints/data-bin");

beforeAll(() => {
  succeed(["export", checkpoint, "--data", data, "--out", at("exact"), "--quantize", "none"]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const dictionary = (language: string): Dictionary =>
  Dictionary.parse(readFileSync(join(data, `dict.${language}.txt`), "utf8"), language);
const english = dictionary("en");
const german = dictionary("de");

/** Sources as text, and the five hypotheses that fairseq-generate --beam 5 --nbest 5 had for each. */
const sentences = goldenCase("transformer_b/beam5").batches.flatMap(({ src_tokens, hypos }) =>
  src_tokens.map((tokens, row) => ({
    // Padding and the end go; a word that no dictionary has stands for an unknown one.
    text: tokens
      .filter((token) => token > 2)
      .map((token) => (token === 3 ? "unheard-of" : english.symbol(token)))
      .join(" "),
    hypotheses: hypos[row],
  })),
);

/** Tokens must be fairseq's, scores too but for the order of sums. */
function expectFairseq(
  found: readonly Pick<HypothesisResult, "score" | "tokens">[],
  golden: readonly GoldenHypothesis[],
): void {
  const symbols = (tokens: readonly number[]) => tokens.map((token) => german.symbol(token));
  expect(found.map(({ tokens }) => tokens.map(({ token }) => token))).toEqual(
    golden.map(({ tokens }) => symbols(tokens)),
  );
  for (const [rank, { score, tokens }] of found.entries()) {
    expect(Math.abs(score - Number(golden[rank].score))).toBeLessThan(1e-5);
    for (const [t, each] of tokens.entries()) {
      expect(Math.abs(each.score - golden[rank].positional_scores[t])).toBeLessThan(5e-5);
    }
  }
}

test("weft export of fairseq's .pt gives a bundle with fairseq's hypotheses and scores", async () => {
  const translator = await open(at("exact"));
  expect(sentences.length).toBeGreaterThan(20);
  for (const { text, hypotheses } of sentences) {
    const found = await translator.generate(text, { beam: 5, nbest: 5 });
    expectFairseq(found.hypotheses, hypotheses);
  }
  translator.close();
});

test("weft export needs --data for a .pt, which holds no dictionaries", () => {
  const { code, stderr } = weft(["export", checkpoint, "--out", at("none")]);
  expect(stderr).toContain("transformer_b.pt: holds no dictionaries;\n  add --data");
  expect(code).toBe(2);
  expect(readdirSync(folder)).not.toContain("none");
});

test("weft serve --engine onnxruntime says so, and answers with fairseq's hypotheses", async () => {
  await served([at("exact"), "--engine", "onnxruntime"], async (server, port) => {
    expect(server.lines.join("\n")).toMatch(/exact: loaded.*onnxruntime/i);
    for (const { text, hypotheses } of sentences.slice(0, 4)) {
      const response = await ask(port, { text, beam: 5, nbest: 5, token_scores: true });
      expect(response.status).toBe(200);
      const { hypotheses: found } = (await response.json()) as { hypotheses: HypothesisResult[] };
      expectFairseq(found, hypotheses);
    }
    server.signal("SIGTERM");
    expect(await server.end()).toBe(0);
  });
});

test("weft deploy static writes the page, with ONNX Runtime if it is asked for", () => {
  const files = ["index.html", "models.json", "page.js", "quantised_relaxed.wasm", "README.txt"];
  const gpuFiles = ["onnxruntime.js", "onnxruntime.wasm", "webgpu_worker.js"];
  for (const [flags, engines, late] of [
    [[], ["weft"], []],
    [["--engine", "onnxruntime-webgpu"], ["weft", "onnxruntime-webgpu"], gpuFiles],
  ]) {
    const { stdout } = succeed(["deploy", "static", at("exact"), "--out", at("page"), ...flags]);
    expect(stdout).toContain("ready for static");
    const written = readdirSync(at("page"));
    for (const name of [...files, ...late]) expect(written).toContain(name);
    expect(written.filter((name) => gpuFiles.includes(name)).sort()).toEqual(late);
    const list: unknown = JSON.parse(readFileSync(at("page/models.json"), "utf8"));
    expect(list).toEqual({ models: ["exact"], engines });
    for (const name of readdirSync(at("exact"))) {
      const size = statSync(at(`exact/${name}`)).size;
      expect(statSync(at(`page/bundle/exact/${name}`)).size).toBe(size);
    }
  }
  const { code, stderr } = weft([
    ...["deploy", "static", at("exact"), "--out", at("page")],
    ...["--engine", "onnxruntime"],
  ]);
  expect(stderr).toContain("--engine");
  expect(code).toBe(2);
});

test("docs/edge.md's example imports weft/edge by its name, and does what it says", async () => {
  const page = readFileSync(join(root, "docs/edge.md"), "utf8");
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? "";
  const server = createServer(({ url }, response) => {
    response.end(readFileSync(at(`exact/${url?.replace("/bundle/", "")}`)));
  });
  const port = await freePort();
  await new Promise<void>((listens) => server.listen(port, "127.0.0.1", listens));
  const code = `${example
    .replace('"bundle/"', JSON.stringify(at("exact")))
    .replace("https://example.org/bundle/", `http://127.0.0.1:${port}/bundle/`)}
    console.log(JSON.stringify({ text, hypotheses }));`;
  const args = "Deno" in globalThis ? ["eval", "--ext=ts", code] : ["-e", code];
  // In the folder of the package, which then knows its own name.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  server.close();
  const { text, hypotheses } = JSON.parse(stdout) as {
    text: string;
    hypotheses: HypothesisResult[];
  };
  const options = { bundle: at("exact"), beam: 4 };
  const translated = await translate("Open the file. Then save it.", options);
  expect(translated.sentences.length).toBe(2);
  expect(text).toBe(translated.text);
  const nbest = await translate("Open the file.", { ...options, nbest: 4, alignments: true });
  expect(hypotheses).toEqual(nbest.sentences[0].hypotheses as HypothesisResult[]);
});
