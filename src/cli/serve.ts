import { readFileSync } from "node:fs";
import process from "node:process";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { readPage } from "../../edge/platforms/file_page.ts";
import { serveFolders } from "../../edge/platforms/serve_folders.ts";
import { openInThreads } from "../../edge/platforms/translator_threads.ts";
import { limits } from "../../edge/server/limits.ts";
import { serve as config } from "../config/schemas/serve.ts";
import { UserError } from "../config/user_error.ts";
import { workerUrl } from "../workers.ts";
import { command } from "./command.ts";

export const serve = command({
  name: "serve",
  summary: "answer translation requests over HTTP with exported bundles",
  config: { serve: config, limits },
  async run({ serve: flags, limits }, terminal) {
    const { bundles: folders, host: hostname, port, threads, watch } = flags;
    const tokens = bearerTokens(flags.token_file);
    const kernels = await compileKernels();
    const url = workerUrl(
      flags.engine === "weft"
        ? "edge/platforms/translator_thread.ts"
        : "edge/platforms/onnx_thread.ts",
    );
    const server = await serveFolders({
      ...{ folders, hostname, port, limits, tokens, watch },
      origins: flags.allow_origin,
      page: await readPage(),
      open: (folder) => openInThreads({ folder, threads, kernels, url }),
      log: (line) => terminal.log(line),
    });
    const access = tokens.length > 0 ? "with a bearer token" : "open to all who reach it";
    terminal.line(`http://${hostname}:${server.port} (${access}); /docs describes the requests`);
    const hangUp = (): void => void server.reload();
    process.on("SIGHUP", hangUp);
    await untilToldToStop((signal) => terminal.log(`${signal}: letting running requests end`));
    process.off("SIGHUP", hangUp);
    await server.stop();
  },
});

/** SIGTERM or Ctrl-C; a second one ends the process at once. */
function untilToldToStop(told: (signal: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let isTold = false;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (isTold) process.exit(1);
        isTold = true;
        told(signal);
        resolve();
      });
    }
  });
}

/** @throws UserError for a file that cannot be read or holds no token. */
function bearerTokens(path: string | undefined): string[] {
  const fromEnvironment = process.env.WEFT_TOKEN ? [process.env.WEFT_TOKEN] : [];
  if (path === undefined) return fromEnvironment;
  const remedy = "give a file with a token on each line";
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const problem = `cannot be read: ${(cause as Error).message}`;
    throw new UserError({ place: `--token-file ${path}`, problem, remedy });
  }
  const tokens = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (tokens.length > 0) return [...tokens, ...fromEnvironment];
  throw new UserError({ place: `--token-file ${path}`, problem: "holds no token", remedy });
}
