// Bundles in folders, served over HTTP: what weft serve runs, on Bun, on Deno and in the binary.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { EdgeTranslator } from "../runtime/translator.ts";
import type { Limits } from "../server/limits.ts";
import { createModels } from "../server/models.ts";
import { createServer } from "../server/server.ts";
import { listen } from "./http_listener.ts";
import { namedFolders } from "./named_folders.ts";

export interface ServeOptions {
  /** Each a bundle; its name is the folder's. */
  readonly folders: readonly string[];
  readonly hostname: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** How a bundle is loaded. */
  readonly open: (folder: string) => Promise<EdgeTranslator>;
  readonly limits: Limits;
  /** Bearer tokens; none: the server is open to all. */
  readonly tokens: readonly string[];
  readonly origins: readonly string[];
  readonly page?: string;
  /** Look every second whether a bundle was written anew. */
  readonly watch: boolean;
  readonly log: (line: string) => void;
}

export interface FolderServer {
  /** Where it listens, and who may ask: for whoever started it. */
  readonly announcement: string;
  /** Loads all bundles again, beside those that serve; one that is refused changes nothing. */
  reload(): Promise<void>;
  /** Lets running requests end, refuses new ones, and closes. */
  stop(): Promise<void>;
}

const WATCH_MILLISECONDS = 1000;

/**
 * Listens, then loads: until the last bundle is loaded /readyz answers 503.
 *
 * @throws UserError if a bundle is refused or the port cannot be had.
 */
export async function serveFolders(options: ServeOptions): Promise<FolderServer> {
  const { hostname, port, limits, origins, page, watch, log } = options;
  const tokens = options.tokens.length > 0 ? options.tokens : undefined;
  const folders = namedFolders(options.folders);
  const models = createModels([...folders.keys()]);
  const load = async (name: string, folder: string): Promise<void> => {
    let engine = "";
    await models.load(name, async () => {
      const translator = await options.open(folder);
      engine = translator.engine;
      return translator;
    });
    log(`${name}: loaded ${folder}, computed by ${engine}`);
  };
  const report = (error: unknown): void => {
    log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  };
  const server = createServer({ models, limits, tokens, origins, page, report });
  const listener = listen(server.fetch, hostname, port);
  const marks = new Map<string, string>();
  try {
    for (const [name, folder] of folders) {
      marks.set(name, await markOf(folder));
      await load(name, folder);
    }
  } catch (error) {
    await listener.close();
    await models.close();
    throw error;
  }
  const reload = async (name: string, folder: string): Promise<void> => {
    try {
      await load(name, folder);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log(`${name}: refused, the old one goes on: ${reason}`);
    }
  };
  const access = tokens ? "with a bearer token" : "open to all who reach it";
  const watcher = watch ? watchFolders(folders, marks, reload) : undefined;
  return {
    announcement: `http://${hostname}:${listener.port} (${access}); /docs describes the requests`,
    async reload() {
      for (const [name, folder] of folders) await reload(name, folder);
    },
    async stop() {
      watcher?.stop();
      await server.drain();
      await listener.close();
      await models.close();
    },
  };
}

/**
 * Calls `changed` for each folder in which any file is another than a second ago; one that could not be
 * loaded is tried again as soon as another file of it changes.
 *
 * @param marks of the folders before they were loaded: what changed meanwhile is noticed too.
 */
function watchFolders(
  folders: ReadonlyMap<string, string>,
  marks: Map<string, string>,
  changed: (name: string, folder: string) => Promise<void>,
): { stop(): void } {
  let timer: ReturnType<typeof setTimeout>;
  let isStopped = false;
  const look = async (): Promise<void> => {
    for (const [name, folder] of folders) {
      const mark = await markOf(folder);
      // While a folder is being replaced it is not there for a moment.
      if (mark === "" || mark === marks.get(name)) continue;
      marks.set(name, mark);
      await changed(name, folder);
    }
    if (!isStopped) timer = setTimeout(() => void look(), WATCH_MILLISECONDS);
  };
  timer = setTimeout(() => void look(), WATCH_MILLISECONDS);
  return {
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** Differs as soon as any file of the folder does; empty if there is no manifest. */
async function markOf(folder: string): Promise<string> {
  try {
    const names = (await readdir(folder)).sort();
    if (!names.includes("manifest.json")) return "";
    const marks = names.map(async (name) => {
      const { ino, size, mtimeMs } = await stat(join(folder, name));
      return `${name} ${ino} ${size} ${mtimeMs}`;
    });
    return (await Promise.all(marks)).join("\n");
  } catch {
    return "";
  }
}
