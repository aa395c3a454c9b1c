// The page that a server hands out, in a real browser, against a real server.
import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { buildEdge } from "../../../edge/build.ts";
import { readPage } from "../../../edge/platforms/file_page.ts";
import type { EdgeTranslator } from "../../../edge/runtime/translator.ts";
import { createModels } from "../../../edge/server/models.ts";
import { createServer } from "../../../edge/server/server.ts";
import { temporaryFolder } from "../platforms.ts";
import { type Listening, serve } from "../server/serve.ts";
import { noChromium, openChromium } from "./chromium.ts";
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

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

let browser: Browser;
let translator: EdgeTranslator;
let listening: Listening;
if (noChromium === undefined) {
  beforeAll(async () => {
    await buildEdge();
    translator = await openHere(await writeGolden(join(folder, "golden"), "int8"));
    listening = serve(await serverOf());
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser.close();
    await listening.stop();
  });
}

async function serverOf(
  tokens?: readonly string[],
): Promise<(request: Request) => Promise<Response>> {
  const models = createModels();
  await models.load("golden", async () => translator);
  return createServer({ models, tokens, page: await readPage() }).fetch;
}

async function visit(): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  await page.goto(listening.url);
  await untilReady(page);
  return { page, complaints };
}

/** Texts that the page shows grey from now on. */
async function watchPartials(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const partials: string[] = [];
    const output = document.querySelector("#translation");
    new MutationObserver(() => {
      const isPartial = output?.getAttribute("aria-busy") === "true";
      if (isPartial && output?.textContent) partials.push(output.textContent);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    Object.assign(globalThis, { partials });
  });
  return () => page.evaluate(() => (globalThis as unknown as { partials: string[] }).partials);
}

const TEXT = "w5 w6 w7.  W8 w9!";
const OPTIONS = { beam: 4, nbest: 2, lenpen: 1.5, max_len: 60, alignments: true };

inBrowser("the server's page shows the translation, the n-best list and the picture", async () => {
  const { page, complaints } = await visit();
  expect(await (await page.$("#access"))?.isVisible()).toBe(false);
  for (const id of ["beam", "nbest", "lenpen", "max_len"] as const) {
    await setNumber(page, id, OPTIONS[id]);
  }
  await page.type("#text", TEXT);
  const expected = await translator.translate(TEXT, OPTIONS);
  await page.waitForFunction(
    (text) => document.querySelector('#translation[aria-busy="false"]')?.textContent === text,
    {},
    expected.text,
  );
  expect(await hypothesesOf(page)).toEqual(asShown(expected.sentences[0]));
  const timing = await page.$eval("#timing", ({ textContent }) => textContent);
  expect(timing).toMatch(/^\d+ ms, \d+ tokens, \d+ tokens\/s$/);

  await page.click("#hypotheses li:nth-child(2) input");
  const second = expected.sentences[0].hypotheses[1];
  const { labels, cells } = await pictureOf(page);
  const output = second.tokens.map(({ token }) => token);
  expect(labels).toEqual([...(second.alignment?.source ?? []), ...output]);
  const seen = second.alignment?.weights.flat().filter((weight) => weight >= 0.02);
  expect(cells).toBe(seen?.length ?? -1);
  expect(complaints).toEqual([]);
  await page.close();
});

inBrowser("the server's page shows partial texts until the translation is final", async () => {
  const { page, complaints } = await visit();
  const partialsOf = await watchPartials(page);
  const text = Array.from({ length: 60 }, (_, i) => `w${4 + (i % 40)} w9 w20 w31`).join("\n");
  await paste(page, text);
  const final = await translationAfter(page);
  const partials = await partialsOf();
  expect(partials.some((partial) => partial.length < final.length)).toBe(true);
  expect(complaints).toEqual([]);
  await page.close();
});

inBrowser("the server's page says in words that a sentence is too long", async () => {
  const { page, complaints } = await visit();
  await paste(page, "w5 ".repeat(translator.maxSourceTokens));
  const tokens = translator.maxSourceTokens + 1;
  expect(await problemOf(page)).toStartWith(`text: a sentence has ${tokens} tokens`);
  await paste(page, "w5");
  await translationAfter(page);
  expect(await page.$eval("#problem", ({ textContent }) => textContent)).toBe("");
  expect(complaints).toEqual([]);
  await page.close();
});

inBrowser("the server's page refuses a number that is out of range, naming its field", async () => {
  const { page } = await visit();
  await setNumber(page, "beam", 0);
  await paste(page, "w5");
  expect(await problemOf(page)).toStartWith("Beam: ");
  await setNumber(page, "beam", 2);
  await setNumber(page, "nbest", 3);
  await page.waitForFunction(() =>
    document.querySelector("#problem")?.textContent?.startsWith("nbest: is more than beam"),
  );
  await page.close();
});

inBrowser("the text of a model never becomes HTML", async () => {
  const { page, complaints } = await visit();
  const harm = "<img src=x onerror=alert(1)>";
  await paste(page, harm);
  await translationAfter(page);
  const pieces = await pictureOf(page);
  expect(pieces.labels.length).toBeGreaterThan(0);
  expect(await page.$("img")).toBeNull();
  const option = await page.$eval("#sentence", ({ textContent }) => textContent);
  expect(option).toBe(`1: ${harm}`);
  expect(complaints).toEqual([]);
  await page.close();
});

inBrowser("the server's page asks for a token where the server wants one", async () => {
  const locked = serve(await serverOf(["open-sesame-open-sesame"]));
  const page = await browser.newPage();
  await page.goto(locked.url);
  expect(await problemOf(page)).toBe("The server asks for a token.");
  await page.type("#token", "open-sesame-open-sesame");
  await page.keyboard.press("Enter");
  await untilReady(page);
  await paste(page, "w5");
  expect(await translationAfter(page)).not.toBe("");
  await page.close();
  await locked.stop();
});

inBrowser("the server's page says in words that the server is gone", async () => {
  const gone = serve(await serverOf());
  const page = await browser.newPage();
  await page.goto(gone.url);
  await untilReady(page);
  await page.setOfflineMode(true);
  await paste(page, "w5");
  expect(await problemOf(page)).toMatch(/^The server at 127\.0\.0\.1:\d+ cannot be reached\.$/);
  await page.close();
  await gone.stop();
});

inBrowser("the server's page fits a phone, in the dark too", async () => {
  const page = await browser.newPage();
  await page.setViewport({ width: 360, height: 740 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await page.goto(listening.url);
  await untilReady(page);
  await paste(page, TEXT);
  await translationAfter(page);
  const [width, ground] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    getComputedStyle(document.body).backgroundColor,
  ]);
  expect(width).toBeLessThanOrEqual(360);
  expect(ground).toBe("rgb(22, 24, 26)");
  await page.close();
});
