// What a visitor does with the page, and sees there.
import type { Page } from "puppeteer-core";

/** Messages of a page that should have none: errors, refusals of the security policy. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) complaints.push(message.text());
  });
  return complaints;
}

/** Waits until a model is there. */
export async function untilReady(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const models = document.querySelector<HTMLSelectElement>("#models");
    return models !== null && !models.disabled;
  });
}

/** Puts a text into the field at once, as pasting does. */
export async function paste(page: Page, text: string): Promise<void> {
  await setField(page, "#text", text);
}

/** Sets a number below the text. */
export async function setNumber(page: Page, id: string, value: number): Promise<void> {
  await setField(page, `#${id}`, String(value));
}

function setField(page: Page, selector: string, value: string): Promise<void> {
  return page.$eval(
    selector,
    (field, value) => {
      (field as HTMLInputElement | HTMLTextAreaElement).value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    },
    value,
  );
}

/** Waits for a final translation that is not `before`. */
export async function translationAfter(page: Page, before = ""): Promise<string> {
  const handle = await page.waitForFunction(
    (before) => {
      const output = document.querySelector("#translation");
      const text = output?.textContent ?? "";
      const isFinal = output?.getAttribute("aria-busy") === "false";
      return isFinal && text !== "" && text !== before ? text : false;
    },
    {},
    before,
  );
  return String(await handle.jsonValue());
}

export interface ShownHypothesis {
  readonly score: string;
  readonly tokens: readonly string[];
  /** What the pieces' tooltips say. */
  readonly titles: readonly string[];
}

/** The list of hypotheses of the chosen sentence. */
export function hypothesesOf(page: Page): Promise<ShownHypothesis[]> {
  return page.$$eval("#hypotheses li", (items) =>
    items.map((item) => {
      const pieces = [...item.querySelectorAll<HTMLElement>(".pieces span")];
      return {
        score: item.querySelector(".score")?.textContent ?? "",
        tokens: pieces.map((piece) => piece.textContent ?? ""),
        titles: pieces.map(({ title }) => title),
      };
    }),
  );
}

/** Labels and cells of the attention picture. */
export function pictureOf(page: Page): Promise<{ labels: string[]; cells: number }> {
  return page.$eval("#picture", (picture) => ({
    labels: [...picture.querySelectorAll("text")].map(({ textContent }) => textContent ?? ""),
    cells: picture.querySelectorAll(".weight").length,
  }));
}

/** The problem in words; waits until there is one. */
export async function problemOf(page: Page): Promise<string> {
  const handle = await page.waitForFunction(
    () => document.querySelector("#problem")?.textContent || false,
  );
  return String(await handle.jsonValue());
}
