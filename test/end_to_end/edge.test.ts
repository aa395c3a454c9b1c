// From a checkpoint to a server, by the commands that a user types.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../edge/platforms.ts";
import { goldenPath } from "../support/golden.ts";
import { ask, served } from "./served.ts";
import { cpu, succeed, tinyModel, weft, words } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-edge-"));
const at = (name: string): string => join(folder, name);
const checkpoint = at("run/checkpoint_last.safetensors");

beforeAll(() => {
  const data = goldenPath("training/runs/data-bin");
  const flags = words("--max-tokens 400 --max-update 3 --lr 1e-3 --no-epoch-checkpoints");
  succeed(["train", data, ...cpu, ...tinyModel, ...flags, "--save-dir", at("run")]);
  succeed(["export", checkpoint, "--out", at("tiny"), "--licence", "CC0-1.0"]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("weft export measures what quantising cost, and weft info tells it", () => {
  const lines = Array.from({ length: 3 }, (_, i) => `a b ${i}\tc d ${i}\n`).join("");
  writeFileSync(at("pairs.tsv"), lines);
  const flags = ["--quantize", "int4", "--calibrate", at("pairs.tsv"), "--beam", "2"];
  succeed(["export", checkpoint, "--out", at("measured"), ...flags, "--name", "small one"]);
  const { stdout } = succeed(["info", at("measured"), at("tiny")]);
  expect(stdout).toMatch(/small one: \w+ to \w+, licence unknown/);
  expect(stdout).toMatch(
    /BLEU \d+\.\d\d \(float32: \d+\.\d\d\) on pairs\.tsv, 3 sentences, beam 2/,
  );
  expect(stdout).toContain("licence CC0-1.0");
  expect(stdout.match(/all files have the sizes and hashes/g)?.length).toBe(2);
});

test("weft export refuses what it cannot use, and leaves a bundle alone that was there", () => {
  const before = readFileSync(at("tiny/manifest.json"), "utf8");
  const cases: [args: string[], ...said: string[]][] = [
    [[at("nowhere.pt"), "--out", at("tiny")], "nowhere.pt"],
    [[checkpoint, "--out", folder], "--out", "is a folder with other files in it"],
    [[checkpoint, "--out", at("tiny"), "--quantize", "int3"], "--quantize", "int8"],
    [[checkpoint, "--out", at("tiny"), "--calibrate", at("none.tsv")], "none.tsv"],
    [[checkpoint, "--out", at("tiny"), "--ema"], "--store-ema"],
    [[checkpoint, "--out", at("tiny"), "--bpe", "subword_nmt"], "--bpe-codes"],
  ];
  for (const [args, ...said] of cases) {
    const { code, stderr } = weft(["export", ...args]);
    expect(code).toBe(2);
    for (const part of said) expect(stderr).toContain(part);
  }
  expect(readFileSync(at("tiny/manifest.json"), "utf8")).toBe(before);
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
});

test("weft serve answers, asks for its token, drains on SIGTERM and exits with 0", async () => {
  writeFileSync(at("tokens"), "sesame\n");
  await served([at("tiny"), "--token-file", at("tokens")], async (server, port) => {
    expect((await ask(port, { text: "a b" })).status).toBe(401);
    const headers = { authorization: "Bearer sesame" };
    const answer = await ask(port, { text: "a b", beam: 2, nbest: 2, max_len: 5 }, headers);
    expect(answer.status).toBe(200);
    const { model, hypotheses } = (await answer.json()) as {
      model: string;
      hypotheses: { text: string; score: number }[];
    };
    expect(model).toBe("tiny");
    expect(hypotheses.length).toBe(2);
    const running = ask(port, { text: "a b c", min_len: 400, max_len: 450, beam: 8 }, headers);
    for (let works = false; !works; ) {
      const metrics = await fetch(`http://127.0.0.1:${port}/metrics`, { headers });
      works = /^weft_requests_running 1$/m.test(await metrics.text());
    }
    server.signal("SIGTERM");
    expect(await server.saw("letting running requests end")).toBe(true);
    server.signal("SIGHUP"); // which must not end what drains
    expect((await running).status).toBe(200);
    const code = await server.end();
    expect(server.lines.filter((line) => line.includes("Uncaught"))).toEqual([]);
    expect(code).toBe(0);
  });
});

test("weft serve goes over to a new bundle without a gap, and refuses a damaged one", async () => {
  cpSync(at("tiny"), at("rolled"), { recursive: true });
  await served([at("rolled"), "--watch"], async (server, port) => {
    const quantised = async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/models`);
      const { models } = (await response.json()) as { models: { quantize: string }[] };
      return models[0].quantize;
    };
    expect(await quantised()).toBe("int8");
    let isOver = false;
    const failures: number[] = [];
    const asking = (async () => {
      while (!isOver) {
        const { status } = await ask(port, { text: "a b", max_len: 5 });
        if (status !== 200) failures.push(status);
      }
    })();
    succeed(["export", checkpoint, "--out", at("rolled"), "--quantize", "int4"]);
    expect(await server.saw("rolled: loaded", 2)).toBe(true);
    expect(await quantised()).toBe("int4");
    const shard = at("rolled/weights-000.bin");
    const bytes = readFileSync(shard);
    bytes[100] ^= 1;
    writeFileSync(shard, bytes);
    server.signal("SIGHUP");
    expect(await server.saw("refused, the old one goes on")).toBe(true);
    expect(server.lines.at(-1) ?? "").not.toContain("    at ");
    expect(server.lines.join("\n")).toContain("weights-000.bin");
    expect((await ask(port, { text: "a b", max_len: 5 })).status).toBe(200);
    isOver = true;
    await asking;
    expect(failures).toEqual([]);
  });
});

test("weft serve --watch waits for the rest of a bundle that is copied file by file", async () => {
  cpSync(at("tiny"), at("copied"), { recursive: true });
  succeed(["export", checkpoint, "--out", at("int4"), "--quantize", "int4"]);
  await served([at("copied"), "--watch"], async (server, port) => {
    cpSync(at("int4/manifest.json"), at("copied/manifest.json"));
    expect(await server.saw("refused, the old one goes on")).toBe(true);
    expect((await ask(port, { text: "a b", max_len: 5 })).status).toBe(200);
    for (const name of readdirSync(at("int4"))) cpSync(at(`int4/${name}`), at(`copied/${name}`));
    expect(await server.saw("copied: loaded", 2)).toBe(true);
  });
});

test("weft serve refuses a damaged bundle, two of one name, and a port that is taken", async () => {
  cpSync(at("tiny"), at("damaged"), { recursive: true });
  writeFileSync(at("damaged/dict.source.txt"), "a 1\n", { flag: "a" });
  cpSync(at("tiny"), at("other/tiny"), { recursive: true });
  const port = await freePort();
  const holder = createServer().listen(port, "127.0.0.1");
  await once(holder, "listening");
  const cases: [args: string[], said: RegExp][] = [
    [[at("damaged")], /damaged\/dict\.source\.txt: has \d+ bytes, should have/],
    [[at("tiny"), at("other/tiny")], /would be called tiny/],
    [[at("tiny"), "--port", `${port}`], /cannot listen/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = weft(["serve", ...args]);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
  }
  holder.close();
});

test("weft deploy writes what the platform needs, and not over something else", () => {
  for (const [platform, files] of [
    ["workerd", ["assets", "config.capnp", "worker.js", "wrangler.jsonc"]],
    ["deno", ["bundle", "deno.json", "server.js"]],
    ["bun", ["bundle", "package.json", "server.js"]],
  ] as const) {
    const out = at(`deployed-${platform}`);
    succeed(["deploy", platform, at("tiny"), "--out", out]);
    for (const file of [...files, "quantised_relaxed.wasm", "README.txt"]) {
      expect(readdirSync(out)).toContain(file);
    }
    succeed(["deploy", platform, at("tiny"), "--out", out]); // over itself
  }
  // Folders that look like ours at first sight, but hold something else.
  mkdirSync(at("project/src"), { recursive: true });
  writeFileSync(at("project/README.txt"), "mine");
  writeFileSync(at("project/manifest.json"), '{ "name": "a web app" }');
  writeFileSync(at("deployed-bun/notes.txt"), "mine");
  for (const args of [
    ["deploy", "bun", at("tiny"), "--out", at("run")],
    ["deploy", "static", at("tiny"), "--out", at("project")],
    ["export", checkpoint, "--out", at("project")],
    ["deploy", "bun", at("tiny"), "--out", at("deployed-bun")],
  ]) {
    const { code, stderr } = weft(args);
    expect(code).toBe(2);
    expect(stderr).toContain("is a folder with other files in it");
  }
  expect(readdirSync(at("project")).sort()).toEqual(["README.txt", "manifest.json", "src"]);
  cpSync(at("tiny"), at("a,b"), { recursive: true });
  const misnamed = weft(["deploy", "workerd", at("a,b"), "--out", at("misnamed")]);
  expect(misnamed.stderr).toContain("cannot be a model's name");
});
