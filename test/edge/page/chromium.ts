// A headless Chromium for tests, and what a bundle says there.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { Browser, Page } from "puppeteer-core";
import { artefacts } from "../../../edge/platforms/artefacts.ts";
import { deploy } from "../../../edge/platforms/deploy.ts";
import { staticPlatform } from "../../../edge/platforms/deploy_static.ts";
import type { Reply } from "../../../edge/runtime/port_messages.ts";
import type { RequestOptions, TextResult } from "../../../edge/runtime/translator.ts";
import { temporaryFolder } from "../platforms.ts";
import { serveFolder } from "./static_server.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Chromium's path: CHROMIUM of the environment, or one of its names in PATH. */
const chromium: string | undefined = [
  ...(process.env.CHROMIUM ? [process.env.CHROMIUM] : []),
  ...(process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => PROGRAMS.map((program) => join(folder, program))),
].find(isProgram);

/** Why tests with a browser cannot run here; undefined if they can. */
export const noChromium: string | undefined = !("bun" in process.versions)
  ? "puppeteer-core drives Chromium from Bun, and this is Deno"
  : chromium === undefined
    ? "needs Chromium: apt-get install chromium, or name it in CHROMIUM"
    : undefined;

/** Chromium's own software GPU, SwiftShader: an adapter on every machine. */
const SOFTWARE_GPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** A new browser without a past. */
export async function openChromium(gpu: "none" | "software" = "none"): Promise<Browser> {
  // Not loaded where there is no Chromium: nothing else needs it.
  const { launch } = await import("puppeteer-core");
  return launch({
    executablePath: chromium,
    // Tests may run as root in a container, where Chromium's own sandbox cannot.
    args: ["--no-sandbox", ...(gpu === "none" ? ["--disable-gpu"] : SOFTWARE_GPU)],
  });
}

/** What is sent into the page: only data, for the function there cannot see this file. */
interface Asked {
  readonly name: string;
  readonly texts: readonly string[];
  readonly options: Omit<RequestOptions, "signal" | "onPartial">;
}

/**
 * Translates texts in Chromium's Web Worker, one after the other.
 *
 * @param bundle folder of an exported bundle. @throws Error if `noChromium`.
 */
export async function translateInChromium(
  bundle: string,
  texts: readonly string[],
  options: Asked["options"] = {},
): Promise<TextResult[]> {
  const { path, remove } = temporaryFolder();
  const out = join(path, "page");
  await deploy(staticPlatform, { bundles: [bundle], out, artefacts });
  const server = serveFolder(out);
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    const name = bundle.replace(/\/$/, "").replace(/.*\//, "");
    return await translateInPage(page, { name, texts, options });
  } finally {
    await browser.close();
    await server.stop();
    remove();
  }
}

/** A worker beside the page's own, spoken to as edge/runtime/port_messages.ts says. */
function translateInPage(page: Page, asked: Asked): Promise<TextResult[]> {
  return page.evaluate(async ({ name, texts, options }) => {
    const worker = new Worker("translator_worker.js");
    const hear = (isAnswer: (reply: Reply) => boolean): Promise<Reply> =>
      new Promise((resolve, reject) => {
        const listen = ({ data: reply }: MessageEvent<Reply>): void => {
          if (reply.kind === "refused" || reply.kind === "failed") {
            reject(new Error(JSON.stringify(reply.failure)));
          } else if (isAnswer(reply)) {
            worker.removeEventListener("message", listen);
            resolve(reply);
          }
        };
        worker.addEventListener("message", listen);
        worker.addEventListener("error", ({ message }) => reject(new Error(message)));
      });
    worker.postMessage({
      bundle: new URL(`bundle/${encodeURIComponent(name)}/`, document.baseURI).href,
      kernels: new URL("quantised_relaxed.wasm", document.baseURI).href,
    });
    await hear(({ kind }) => kind === "ready");
    const results = [];
    for (const [id, text] of texts.entries()) {
      worker.postMessage({ kind: "translate", id, text, partials: false, options });
      const reply = await hear(({ kind }) => kind === "done");
      if (reply.kind === "done") results.push(reply.result as TextResult);
    }
    worker.terminate();
    return results;
  }, asked);
}
