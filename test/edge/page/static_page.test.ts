// The page that computes by itself, in a real browser.
import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { buildEdge } from "../../../edge/build.ts";
import { type ArtefactName, artefacts } from "../../../edge/platforms/artefacts.ts";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatform, staticPlatformWith } from "../../../edge/platforms/deploy_static.ts";
import { temporaryFolder } from "../platforms.ts";
import { noChromium, openChromium, translateInChromium } from "./chromium.ts";
import { asShown, openHere, writeGolden } from "./golden_page.ts";
import { inBrowser } from "./in_browser.ts";
import {
  complaintsOf,
  hypothesesOf,
  paste,
  pictureOf,
  problemOf,
  setNumber,
  translationAfter,
  untilReady,
} from "./page_driver.ts";
import { type StaticServer, serveFolder } from "./static_server.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const bundle = join(folder, "golden");
const out = join(folder, "page");
const deployGolden = async (quantize: "int8" | "none"): Promise<void> => {
  await writeGolden(bundle, quantize);
  await deploy(staticPlatform, { bundles: [bundle], out, artefacts });
};

let browser: Browser;
let server: StaticServer;
if (noChromium === undefined) {
  beforeAll(async () => {
    await buildEdge();
    await deployGolden("int8");
    server = serveFolder(out);
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
}

/** A page in a profile of its own: no service worker, no cache. */
async function visit(): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(server.url);
  await untilReady(page);
  return { page, complaints };
}

const TEXT = "w5 w6 w7.  W8 w9!";
const OPTIONS = { beam: 5, nbest: 3, lenpen: 1, max_len: 12, alignments: true };

inBrowser("the static page shows what openTranslator() gives here, to 4 decimals", async () => {
  const { page, complaints } = await visit();
  await setNumber(page, "max_len", OPTIONS.max_len);
  await page.type("#text", TEXT);
  const expected = await (await openHere(bundle)).translate(TEXT, OPTIONS);
  await page.waitForFunction(
    (text) => document.querySelector("#translation")?.textContent === text,
    {},
    expected.text,
  );
  expect(await translationAfter(page)).toBe(expected.text);
  const [first, second] = expected.sentences;
  expect(await hypothesesOf(page)).toEqual(asShown(first));
  await page.select("#sentence", "2: W8 w9!");
  expect(await hypothesesOf(page)).toEqual(asShown(second));
  const best = second.hypotheses[0];
  const { labels } = await pictureOf(page);
  const output = best.tokens.map(({ token }) => token);
  expect(labels).toEqual([...(best.alignment?.source ?? []), ...output]);
  expect(complaints).toEqual([]);
  await page.browserContext().close();
});

inBrowser("the static page goes on running its own tasks while it translates", async () => {
  const { page } = await visit();
  // The picture of so much attention is no part of translating.
  await page.click("#alignments");
  const sentence = Array.from({ length: 30 }, (_, i) => `w${4 + ((7 * i) % 40)}`).join(" ");
  await paste(page, Array.from({ length: 40 }, () => sentence).join("\n"));
  await page.waitForSelector('#translation[aria-busy="true"]');
  // A page that froze would run none of these before the translation is there.
  const ticks = await page.evaluate(async () => {
    let ticks = 0;
    while (document.querySelector('#translation[aria-busy="true"]')) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      ticks++;
    }
    return ticks;
  });
  expect(ticks).toBeGreaterThan(10);
  await page.browserContext().close();
});

inBrowser("a second visit translates although the server has stopped", async () => {
  const { page, complaints } = await visit();
  await setNumber(page, "max_len", 8);
  await paste(page, "w10 w11");
  const online = await translationAfter(page);
  await allKept(page);
  const { port } = new URL(server.url);
  await server.stop();
  try {
    await page.reload();
    await untilReady(page);
    await setNumber(page, "max_len", 8);
    await paste(page, "w10 w11");
    expect(await translationAfter(page)).toBe(online);
    expect(complaints.filter((text) => !text.includes("ERR_CONNECTION_REFUSED"))).toEqual([]);
  } finally {
    server = serveFolder(out, Number(port));
  }
  await page.browserContext().close();
});

inBrowser("a new deployment takes the place of the old one, its model too", async () => {
  const { page } = await visit();
  await allKept(page);
  await deployGolden("none");
  try {
    await page.reload();
    await untilReady(page);
    await page.waitForFunction(() =>
      document.querySelector("#footer")?.textContent?.includes("newer version"),
    );
    await page.waitForFunction(async () => (await caches.keys()).length === 2);
    await page.reload();
    await untilReady(page);
    await paste(page, "w10 w11");
    await translationAfter(page);
    const options = { beam: 5, nbest: 3, max_len: 200 };
    const expected = await (await openHere(bundle)).translate("w10 w11", options);
    expect(await hypothesesOf(page)).toEqual(asShown(expected.sentences[0]));
    expect(await page.$eval("#about", ({ textContent }) => textContent)).toContain("float32");
  } finally {
    await deployGolden("int8");
  }
  await page.browserContext().close();
});

inBrowser("a new deployment does not cost another download of the same ONNX Runtime", async () => {
  const stand = join(folder, "with-onnxruntime");
  const platform = staticPlatformWith("onnxruntime-webgpu");
  await deploy(platform, { bundles: [bundle], out: stand, artefacts });
  const standing = serveFolder(stand);
  const page = await (await browser.createBrowserContext()).newPage();
  // As the page does once a visitor has chosen it; that needs a GPU.
  const choose = (): Promise<number> =>
    page.evaluate(async () => (await (await fetch("onnxruntime.wasm")).arrayBuffer()).byteLength);
  await page.goto(standing.url);
  await untilReady(page);
  const bytes = await choose();
  await page.waitForFunction(async () => {
    const late = (await caches.keys()).find((name) => name.endsWith(" late"));
    return late !== undefined && (await (await caches.open(late)).keys()).length === 1;
  });
  const newer = async (name: ArtefactName) => {
    const file = await artefacts(name);
    return name === "static/style.css" ? Buffer.concat([file, Buffer.from("/* new */")]) : file;
  };
  await deploy(platform, { bundles: [bundle], out: stand, artefacts: newer });
  await page.reload();
  await page.waitForFunction(() =>
    document.querySelector("#footer")?.textContent?.includes("newer version"),
  );
  await page.reload();
  await untilReady(page);
  expect(await choose()).toBe(bytes);
  expect(standing.asked.filter((path) => path === "/onnxruntime.wasm").length).toBe(1);
  expect(standing.asked.filter((path) => path === "/style.css").length).toBeGreaterThan(1);
  await page.browserContext().close();
  await standing.stop();
});

inBrowser("the static page says in words which file of a model is missing", async () => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const stand = join(folder, "broken");
  await deploy(staticPlatform, { bundles: [bundle], out: stand, artefacts });
  const broken = serveFolder(stand);
  await Bun.file(join(stand, "bundle/golden/weights-000.bin")).delete();
  await page.goto(broken.url);
  const words = "/bundle/golden/weights-000.bin: cannot be read: the web server answers";
  expect(await problemOf(page)).toStartWith(words);
  await context.close();
  await broken.stop();
});

inBrowser("translateInChromium() gives the results of the Web Worker", async () => {
  const texts = [TEXT, "w20"];
  const here = await openHere(bundle);
  const there = await translateInChromium(bundle, texts, OPTIONS);
  for (const [i, text] of texts.entries()) {
    const expected = await here.translate(text, OPTIONS);
    expect(there[i].text).toBe(expected.text);
    expect(there[i].sentences.map(asShown)).toEqual(expected.sentences.map(asShown));
  }
});

/** Waits until the service worker keeps the bundle: manifest, dictionary, weights, two graphs. */
async function allKept(page: Page): Promise<void> {
  await page.waitForFunction(async () => {
    const caching = (await caches.keys()).map(async (name) => (await caches.open(name)).keys());
    const requests = (await Promise.all(caching)).flat();
    return requests.filter(({ url }) => url.includes("/bundle/")).length === 5;
  });
}
