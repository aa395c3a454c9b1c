import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UserError } from "./user_error.ts";

export interface ConfigFile {
  readonly path: string;
  /** The folder it lies in: paths of plug-ins that it names begin there. */
  readonly folder: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads a configuration: one YAML or JSON map from keys (snake_case) to values. JSON is read as the
 * subset of YAML that it is. @throws UserError on an unreadable file, naming line and column.
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(await readText(path), { prettyErrors: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const position = error.linePos?.[0];
    throw new UserError({
      place: position === undefined ? path : `${path}:${position.line}:${position.col}`,
      problem: `not YAML or JSON: ${error.message.split(/ at line|\n/)[0]}`,
      remedy: "write one key: value on each line",
    });
  }
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new UserError({
      place: path,
      problem: "holds no map of keys to values",
      remedy: "write one key: value on each line, such as max_tokens: 4096",
    });
  }
  return { path, folder: dirname(resolve(path)), values: values as Record<string, unknown> };
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const isText = !(error instanceof TypeError);
    throw new UserError({
      place: `--config ${path}`,
      problem: isText ? `cannot be read: ${(error as Error).message}` : "is not UTF-8 text",
      remedy: "name a YAML or JSON file",
    });
  }
}
