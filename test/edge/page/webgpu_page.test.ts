// ONNX Runtime on WebGPU in a real browser: the same bundles, sentence by sentence, as our kernels here. The
// adapter is software: what it computes is what a GPU would, how fast it is says nothing.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { buildEdge } from "../../../edge/build.ts";
import { artefacts } from "../../../edge/platforms/artefacts.ts";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatformWith } from "../../../edge/platforms/deploy_static.ts";
import type { SentenceResult } from "../../../edge/runtime/translator.ts";
import { temporaryFolder } from "../platforms.ts";
import { noChromium, openChromium } from "./chromium.ts";
import { openHere, writeGolden } from "./golden_page.ts";
import { inBrowser } from "./in_browser.ts";
import {
  complaintsOf,
  hypothesesOf,
  paste,
  problemOf,
  setNumber,
  translationAfter,
  untilReady,
} from "./page_driver.ts";
import { type StaticServer, serveFolder } from "./static_server.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

let browser: Browser | undefined;
let server: StaticServer | undefined;
if (noChromium === undefined) {
  browser = await openChromium("software");
  beforeAll(async () => {
    await buildEdge();
    // float32 is compared on Deno, where shaders are compiled faster: test/edge/onnx/webgpu.test.ts.
    const bundles = [await writeGolden(join(folder, "int8"), "int8")];
    const platform = staticPlatformWith("onnxruntime-webgpu");
    await deploy(platform, { bundles, out: join(folder, "page"), artefacts });
    server = serveFolder(join(folder, "page"));
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });
}

/** Why there is no GPU in the browser; undefined if there is one. */
async function noAdapter(): Promise<string | undefined> {
  if (browser === undefined) return noChromium;
  const page = await browser.newPage();
  await page.goto("chrome://version"); // a secure context
  const isThere = await page.evaluate(
    async () => ((await navigator.gpu?.requestAdapter()) ?? null) !== null,
  );
  await page.close();
  return isThere ? undefined : "Chromium has no software adapter for WebGPU here";
}

const reason = await noAdapter();
const onGpu = (name: string, body: () => Promise<void>): void => {
  if (reason === undefined) test(name, body);
  else test.skip(`${name} (${reason})`, body);
};

async function visit(visited: Browser | undefined): Promise<{ page: Page; complaints: string[] }> {
  if (visited === undefined || server === undefined) throw new Error("there is no browser");
  const page = await (await visited.createBrowserContext()).newPage();
  const complaints = complaintsOf(page);
  await page.goto(server.url);
  await untilReady(page);
  return { page, complaints };
}

/** Chooses what computes, and waits until the model is loaded there. */
async function choose(page: Page, engine: string): Promise<string> {
  await page.select("#engines", engine);
  await untilReady(page);
  return page.$eval("#about", ({ textContent }) => textContent ?? "");
}

const TEXTS = ["w5 w6 w7", "w8 w9!", "w20 w4 w11 w13 w30 w9"];
const OPTIONS = { beam: 5, nbest: 5, max_len: 12 };

/** Largest difference of scores to here, over hypotheses and pieces. Tokens must be equal. */
async function compare(page: Page, model: string): Promise<number> {
  const here = await openHere(join(folder, model));
  await setNumber(page, "nbest", OPTIONS.nbest);
  await setNumber(page, "max_len", OPTIONS.max_len);
  let most = 0;
  for (const text of TEXTS) {
    await paste(page, ""); // clears: two sentences may have one translation
    await paste(page, text);
    const { sentences } = await here.translate(text, OPTIONS);
    expect(await translationAfter(page)).toBe(sentences[0].hypotheses[0].text);
    most = Math.max(most, await difference(page, sentences[0]));
  }
  here.close();
  return most;
}

async function difference(page: Page, { hypotheses }: SentenceResult): Promise<number> {
  const shown = await hypothesesOf(page);
  const pieces = hypotheses.map(({ tokens }) => tokens.map(({ token }) => token));
  expect(shown.map(({ tokens }) => tokens)).toEqual(pieces);
  const differences = hypotheses.flatMap(({ score, tokens }, i) => [
    Math.abs(Number(shown[i].score) - score),
    ...tokens.map(({ score }, t) => Math.abs(score - logarithmIn(shown[i].titles[t]))),
  ]);
  return Math.max(...differences);
}

const logarithmIn = (title: string): number => Number(/logarithm (\S+)$/.exec(title)?.[1]);

onGpu("an int8 bundle says on WebGPU what our kernels say, scores to 0.05", async () => {
  const { page, complaints } = await visit(browser);
  const about = await choose(page, "onnxruntime-webgpu");
  expect(about).toMatch(/int8.*on WebGPU/);
  expect(await compare(page, "int8")).toBeLessThan(0.05);
  expect(complaints).toEqual([]);
  await page.browserContext().close();
});

onGpu("ONNX Runtime is fetched only once a visitor chooses it", async () => {
  const { page } = await visit(browser);
  const asked = server?.asked ?? [];
  const before = asked.filter((path) => path === "/onnxruntime.wasm").length;
  await choose(page, "weft");
  expect(asked.filter((path) => path === "/onnxruntime.wasm").length).toBe(before);
  await choose(page, "onnxruntime-webgpu");
  expect(asked.filter((path) => path === "/onnxruntime.wasm").length).toBe(before + 1);
  await page.browserContext().close();
});

inBrowser(
  "without a GPU the page says so in words, and translates once a visitor chooses our kernels again",
  async () => {
    const without = await openChromium();
    const { page } = await visit(without);
    await page.select("#engines", "onnxruntime-webgpu");
    const problem = await problemOf(page);
    expect(problem).toMatch(
      /^onnxruntime-webgpu: (navigator.gpu offers no adapter|there is no nav)/,
    );
    expect(problem).toContain("choose the engine weft");
    await page.select("#engines", "weft");
    await untilReady(page);
    await paste(page, "w10 w11");
    expect(await translationAfter(page)).not.toBe("");
    await without.close();
  },
);
