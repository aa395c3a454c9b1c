// One bundle on every platform: starts a server there, or runs a script, and collects translations.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

/** What a platform says to a text: tokens and scores of the best hypothesis of each sentence. */
export interface Said {
  readonly text: string;
  readonly scores: readonly number[];
}

/** A folder that is removed at the end of the process's tests. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "weft-edge-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return folder;
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((found, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => found(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** A program of node_modules/.bin; undefined if it is not installed. */
export function installed(name: string): string | undefined {
  const path = join(root, "node_modules/.bin", name);
  return existsSync(path) ? path : undefined;
}

export interface Running {
  readonly port: number;
  /** Sends a signal and waits for the end. @returns the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** What it has printed. */
  output(): string;
}

/** Whether something listens on a port, which is not asked for anything. */
function listens(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      answer(true);
    });
    socket.on("error", () => answer(false));
  });
}

/**
 * Starts a server and waits until it answers; one that is to be cold is not asked, only looked for. @throws Error with what it printed if it ends before. */
export async function startServer(
  command: readonly string[],
  options: { cwd?: string; port: number; env?: Record<string, string>; isCold?: boolean },
): Promise<Running> {
  const { cwd, port, env, isCold = false } = options;
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
    });
  }
  const ended = new Promise<number | null>((done) => child.on("close", done));
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  for (let attempt = 0; attempt < 600; attempt++) {
    if (isOver) throw new Error(`${command.join(" ")} ended:\n${printed}`);
    const ready = async () =>
      (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok;
    if (isCold ? await listens(port) : await ready()) {
      return {
        port,
        output: () => printed,
        stop(signal = "SIGTERM") {
          // Not child.kill(): of a child that was sent a signal by it, Deno tells no exit code.
          if (child.pid !== undefined && !isOver) process.kill(child.pid, signal);
          return ended;
        },
      };
    }
    await new Promise((resolve) => setTimeout(resolve, isCold ? 5 : 100));
  }
  child.kill("SIGKILL");
  throw new Error(`${command.join(" ")} does not answer:\n${printed}`);
}

interface TranslateAnswer {
  readonly translations: readonly {
    readonly text: string;
    readonly sentences: readonly { readonly hypotheses: readonly { readonly score: number }[] }[];
  }[];
}

/** The translations that a server gives, all texts in one request. */
export async function askServer(
  port: number,
  texts: readonly string[],
  options: object,
): Promise<Said[]> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/translate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: texts, ...options }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const { translations } = (await response.json()) as TranslateAnswer;
  return translations.map(({ text, sentences }) => ({
    text,
    scores: sentences.map(({ hypotheses }) => hypotheses[0].score),
  }));
}
