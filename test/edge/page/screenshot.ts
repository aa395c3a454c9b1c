// Takes docs/edge-page.png: the static page with a trained model, after a translation.
// Not a test: bun test/edge/page/screenshot.ts BUNDLE TEXT [FILE]
import { join, resolve } from "node:path";
import process from "node:process";
import { artefacts } from "../../../edge/platforms/artefacts.ts";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatform } from "../../../edge/platforms/deploy_static.ts";
import { temporaryFolder } from "../platforms.ts";
import { noChromium, openChromium } from "./chromium.ts";
import { complaintsOf, paste, translationAfter, untilReady } from "./page_driver.ts";
import { serveFolder } from "./static_server.ts";

const [bundle, text, file = resolve(import.meta.dirname, "../../../docs/edge-page.png")] =
  process.argv.slice(2);
if (bundle === undefined || text === undefined || noChromium !== undefined) {
  console.error(noChromium ?? "usage: bun test/edge/page/screenshot.ts BUNDLE TEXT [FILE]");
  process.exit(2);
}

const { path, remove } = temporaryFolder();
const out = join(path, "page");
await deploy(staticPlatform, { bundles: [bundle], out, artefacts });
const server = serveFolder(out);
const browser = await openChromium();
try {
  const page = await browser.newPage();
  const complaints = complaintsOf(page);
  await page.setViewport({ width: 1000, height: 700 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
  await page.goto(server.url);
  await untilReady(page);
  await paste(page, text);
  console.log(await translationAfter(page));
  console.log(await page.$eval("#timing", ({ textContent }) => textContent));
  for (const complaint of complaints) console.error(complaint);
  await page.screenshot({ path: file, fullPage: true });
} finally {
  await browser.close();
  await server.stop();
  remove();
}
