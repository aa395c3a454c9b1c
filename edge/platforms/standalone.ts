// The server of `weft deploy deno` and `weft deploy bun`: this file bundled, the bundles in the folder
// "bundle" beside it, its settings in the environment.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { UserError } from "../../src/config/user_error.ts";
import { kernelFile } from "../runtime/kernel_file.ts";
import { openTranslator } from "../runtime/open_translator.ts";
import { limits } from "../server/limits.ts";
import page from "./bundled_page.ts";
import { commaList } from "./comma_list.ts";
import { folderSource } from "./folder_source.ts";
import { serveFolders } from "./serve_folders.ts";
import { openInThreads } from "./translator_threads.ts";

/** README.txt of a deployment describes these. */
const settings = z.object({
  PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  HOST: z.string().default("0.0.0.0"),
  /** 0 computes in the thread that answers HTTP: for hosts without threads. */
  WEFT_THREADS: z.coerce.number().int().min(0).max(256).default(1),
  WEFT_TOKENS: z.string().default(""),
  WEFT_ORIGINS: z.string().default(""),
  WEFT_MAX_CONCURRENT: z.coerce.number().int().min(1).optional(),
});

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function main(): Promise<void> {
  const parsed = settings.safeParse(process.env);
  if (!parsed.success) {
    const [{ path, message: problem }] = parsed.error.issues;
    const remedy = "correct it in the environment, or leave it out";
    throw new UserError({ place: path.join("."), problem, remedy });
  }
  const { PORT: port, HOST: hostname, WEFT_THREADS: threads, ...given } = parsed.data;
  const kernels = await WebAssembly.compile(await readFile(beside(`./${kernelFile()}`)));
  const log = (line: string): void => console.error(line);
  const tokens = commaList(given.WEFT_TOKENS);
  const url = new URL("./translator_thread.js", import.meta.url).href;
  const bundles = beside("./bundle");
  const folders = (await readdir(bundles)).sort().map((name) => join(bundles, name));
  const server = await serveFolders({
    ...{ folders, hostname, port, page, watch: false },
    limits: limits.parse({ max_concurrent: given.WEFT_MAX_CONCURRENT }),
    tokens,
    origins: commaList(given.WEFT_ORIGINS),
    open: (folder) =>
      threads === 0
        ? openTranslator(folderSource(folder), kernels)
        : openInThreads({ folder, threads, kernels, url, log }),
    log,
  });
  console.log(server.announcement);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => void server.stop().then(() => process.exit(0)));
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof UserError ? `weft: ${error.message}` : error);
  process.exit(error instanceof UserError ? 2 : 1);
}
