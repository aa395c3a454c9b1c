// The same text and the same scores on every platform.
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { buildEdge } from "../../edge/build.ts";
import { translate } from "../../edge/mod.ts";
import { artefacts } from "../../edge/platforms/artefacts.ts";
import { deploy } from "../../edge/platforms/deploy.ts";
import { serverPlatform } from "../../edge/platforms/deploy_server.ts";
import { workerdPlatform } from "../../edge/platforms/deploy_workerd.ts";
import { goldenTransformer } from "../models/golden_transformer.ts";
import { cpu } from "../support/devices.ts";
import { noChromium, translateInChromium } from "./page/chromium.ts";
import {
  askServer,
  freePort,
  installed,
  type Said,
  startServer,
  temporaryFolder,
  writeFiles,
} from "./platforms.ts";
import { goldenFiles } from "./runtime/golden_bundle.ts";

const root = resolve(import.meta.dirname, "../..");
const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const golden = goldenTransformer("transformer_prenorm_shared", cpu);
const bundle = writeFiles(join(folder, "golden"), await goldenFiles(golden, "int8"));
if (typeof Bun !== "undefined") await buildEdge();

const OPTIONS = { beam: 4, max_len: 12 };
const TEXTS = Array.from({ length: 12 }, (_, i) => {
  const words = Array.from(
    { length: 1 + ((5 * i) % 9) },
    (_, k) => `w${4 + ((7 * i + 3 * k) % 40)}`,
  );
  return i % 3 === 2 ? `${words.join(" ")}. W9 w10` : words.join(" ");
});

const here: Said[] = [];
for (const text of TEXTS) {
  const result = await translate(text, { bundle, ...OPTIONS });
  here.push({
    text: result.text,
    scores: result.sentences.map((each) => each.hypotheses[0].score),
  });
}

function expectSame(got: readonly Said[]): void {
  expect(got.map(({ text }) => text)).toEqual(here.map(({ text }) => text));
  for (const [i, { scores }] of here.entries()) {
    expect(got[i].scores.length).toBe(scores.length);
    for (const [k, score] of scores.entries()) {
      expect(Math.abs(got[i].scores[k] - score)).toBeLessThan(5e-5);
    }
  }
}

/**
 * A test that deploys the bundle, starts the platform's program, and asks it.
 *
 * @param endsWith the exit code after SIGTERM; undefined where the signal is the platform's, not our server's, to hear.
 */
function platformTest(
  name: string,
  program: string | undefined,
  endsWith: 0 | undefined,
  start: (
    program: string,
    port: number,
  ) => Promise<{ command: string[]; cwd: string; env: Record<string, string> }>,
): void {
  const title = `${name} gives the same tokens and scores as this process`;
  if (program === undefined) {
    test.skip(`${title} (npm install brings ${name}; it is not there)`, () => {});
    return;
  }
  test(title, async () => {
    const port = await freePort();
    const { command, cwd, env } = await start(program, port);
    const server = await startServer(command, { cwd, port, env });
    let code: number | null | undefined;
    try {
      expectSame(await askServer(port, TEXTS, OPTIONS));
    } finally {
      code = await server.stop();
    }
    if (endsWith !== undefined)
      expect({ code, printed: server.output() }).toMatchObject({ code: endsWith });
  }, 60_000);
}

for (const runtime of ["bun", "deno"] as const) {
  platformTest(runtime, installed(runtime), 0, async (program, port) => {
    const out = join(folder, runtime);
    await deploy(serverPlatform(runtime), { bundles: [bundle], out, artefacts });
    const flags = runtime === "deno" ? ["run", "--allow-net", "--allow-read=.", "--allow-env"] : [];
    const env = { PORT: `${port}`, HOST: "127.0.0.1" };
    return { command: [program, ...flags, "server.js"], cwd: out, env };
  });
}

platformTest("workerd", installed("workerd"), undefined, async (program, port) => {
  const out = join(folder, "workerd");
  await deploy(workerdPlatform, { bundles: [bundle], out, artefacts });
  const address = `--socket-addr=http=127.0.0.1:${port}`;
  return { command: [program, "serve", "config.capnp", address], cwd: out, env: {} };
});

const node = spawnSync("node", ["--version"], { encoding: "utf8" });
const onNode = "Node gives the same tokens and scores as this process";
if (typeof Bun === "undefined" || node.status !== 0) {
  test.skip(`${onNode} (needs Bun to bundle weft/edge, and node in PATH)`, () => {});
} else {
  test(onNode, async () => {
    const out = join(folder, "node");
    await Bun.build({ entrypoints: [join(root, "edge/mod.ts")], outdir: out, target: "node" });
    const script = `
      import { readFile } from "node:fs/promises";
      import { folderSource, openTranslator } from "./mod.js";
      const [bundle, kernels, texts, options] = process.argv.slice(2);
      const translator = await openTranslator(folderSource(bundle), await WebAssembly.compile(await readFile(kernels)));
      const said = [];
      for (const text of JSON.parse(texts)) {
        const result = await translator.translate(text, JSON.parse(options));
        said.push({ text: result.text, scores: result.sentences.map((each) => each.hypotheses[0].score) });
      }
      console.log(JSON.stringify(said));
    `;
    writeFiles(out, new Map([["script.mjs", new TextEncoder().encode(script)]]));
    const kernels = join(root, "build/quantised.wasm");
    const args = ["script.mjs", bundle, kernels, JSON.stringify(TEXTS), JSON.stringify(OPTIONS)];
    const { stdout, stderr, status } = spawnSync("node", args, { cwd: out, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expectSame(JSON.parse(stdout) as Said[]);
  });
}

const inChromium = "Chromium gives the same tokens and scores as this process";
if (noChromium !== undefined) test.skip(`${inChromium} (${noChromium})`, () => {});
else {
  test(inChromium, async () => {
    const results = await translateInChromium(bundle, TEXTS, OPTIONS);
    expectSame(
      results.map(({ text, sentences }) => ({
        text,
        scores: sentences.map(({ hypotheses }) => hypotheses[0].score),
      })),
    );
  }, 60_000);
}
