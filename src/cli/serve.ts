import { readFileSync } from "node:fs";
import process from "node:process";
import { commaList } from "../../edge/platforms/comma_list.ts";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { readPage } from "../../edge/platforms/file_page.ts";
import { serveFolders } from "../../edge/platforms/serve_folders.ts";
import { openInThreads } from "../../edge/platforms/translator_threads.ts";
import { limits } from "../../edge/server/limits.ts";
import type { Engine } from "../config/schemas/engines.ts";
import { serve as config } from "../config/schemas/serve.ts";
import { UserError } from "../config/user_error.ts";
import { type WorkerEntry, workerUrl } from "../workers.ts";
import { command } from "./command.ts";

/** Entries of threads by what computes in them. */
const THREADS: Readonly<Record<Engine, WorkerEntry>> = {
  weft: "edge/platforms/translator_thread.ts",
  onnxruntime: "edge/platforms/onnx_thread.ts",
  "onnxruntime-webgpu": "edge/platforms/onnx_webgpu_thread.ts",
};

export const serve = command({
  name: "serve",
  summary: "answer translation requests over HTTP with exported bundles",
  config: { serve: config, limits },
  async run({ serve: flags, limits }, terminal) {
    const { bundles: folders, host: hostname, port, threads, watch } = flags;
    const tokens = bearerTokens(flags.token_file);
    // Signals are heard from now on: one that comes while bundles are loaded waits for them.
    const stopped = toldToStop();
    let hangUp = (): void => undefined;
    process.on("SIGHUP", () => hangUp());
    const kernels = await compileKernels();
    const url = workerUrl(THREADS[flags.engine]);
    const log = (line: string): void => terminal.log(line);
    const server = await serveFolders({
      ...{ folders, hostname, port, limits, tokens, watch },
      origins: flags.allow_origin,
      page: await readPage(),
      open: (folder) => openInThreads({ folder, threads, kernels, url, log }),
      log,
    });
    terminal.line(server.announcement);
    const { reload } = server;
    hangUp = () => void reload();
    terminal.log(`${await stopped}: letting running requests end`);
    hangUp = () => undefined; // a SIGHUP now must not end the process
    await server.stop();
  },
});

/** The name of SIGTERM or Ctrl-C when it comes; a second one ends the process at once. */
function toldToStop(): Promise<string> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (isTold) process.exit(1);
        isTold = true;
        resolve(signal);
      });
    }
  });
}

/** @throws UserError for a file that cannot be read or holds no token. */
function bearerTokens(path: string | undefined): string[] {
  const fromEnvironment = commaList(process.env.WEFT_TOKENS);
  if (path === undefined) return fromEnvironment;
  const remedy = "give a file with a token on each line";
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const problem = `cannot be read: ${(cause as Error).message}`;
    throw new UserError({ place: `--token-file ${path}`, problem, remedy });
  }
  const lines = text.split("\n").map((line) => line.trim());
  const tokens = lines.filter((line) => line !== "");
  if (tokens.length > 0) return [...tokens, ...fromEnvironment];
  throw new UserError({ place: `--token-file ${path}`, problem: "holds no token", remedy });
}
