import { test } from "bun:test";
import { noChromium } from "./chromium.ts";

/** A test that needs the browser; without one it is listed as skipped, with the reason. */
export function inBrowser(name: string, body: () => Promise<void>): void {
  if (noChromium === undefined) test(name, body);
  else test.skip(`${name} (${noChromium})`, body);
}
