// From a quickly trained model to a server at the edge: export with int8 weights, BLEU before and after,
// weft serve, twenty requests at once, and a clean stop.
//
//   bun run recipes/edge-translation.ts        [further flags for weft train, if it has to train first]
//
// The model is that of recipes/translation-help.ts --quick, which is trained first if it is not there.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { secondsSinceStart, weft, weftCommand } from "./support/weft.ts";

const trained = join(import.meta.dirname, "out/translation-help-quick");
const checkpoint = join(trained, "checkpoints/checkpoint_last.safetensors");
if (!existsSync(checkpoint)) {
  const recipe = join(import.meta.dirname, "translation-help.ts");
  const args = [recipe, "--quick", ...process.argv.slice(2)];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

const bundle = join(import.meta.dirname, "out/edge-translation/help-en-de");
const test = join(import.meta.dirname, "data/help/test.en-de.tsv");
await weft([
  ...["export", checkpoint, "--ema", "--out", bundle, "--quantize", "int8"],
  ...["--tokenizer", "joiner", "--bpe", "subword_nmt", "--bpe-codes", join(trained, "bpe.codes")],
  ...["--calibrate", test, "--licence", "MPL-2.0"],
]);
await weft(["info", bundle]);

const { server, address } = await serve();
const pairs = (await readFile(test, "utf8")).trimEnd().split("\n");
const sources = pairs.slice(100, 120).map((pair) => pair.split("\t")[0]);
const began = performance.now();
const answers = await Promise.all(sources.map((source) => translate(address, source)));
const seconds = (performance.now() - began) / 1000;
for (const [i, answer] of answers.entries()) {
  console.log(`\n  en  ${sources[i]}\n  de  ${answer}`);
}
console.log(`\n${answers.length} requests at once were answered in ${seconds.toFixed(2)} s`);

const code = await new Promise((resolve) => {
  server.on("close", resolve);
  server.kill("SIGTERM");
});
console.log(`the server stopped with exit code ${code}; the bundle is ${bundle}`);
console.log(`done in ${secondsSinceStart()} s`);
if (code !== 0) process.exit(1);

/** Starts the server, and waits until it says where it listens. */
async function serve(): Promise<{ server: ReturnType<typeof spawn>; address: string }> {
  const [program, ...args] = weftCommand(["serve", bundle, "--port", "0"]);
  const server = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: server.stdout })) {
    console.log(line);
    const [address] = /^http:\S+/.exec(line) ?? [];
    if (address !== undefined) return { server, address };
  }
  throw new Error("weft serve ended before it listened");
}

async function translate(address: string, text: string): Promise<string> {
  const response = await fetch(`${address}/v1/translate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text, beam: 5 }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const { translations } = (await response.json()) as { translations: { text: string }[] };
  return translations[0].text;
}
