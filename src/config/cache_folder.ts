import { accessSync, constants, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/**
 * Where weft keeps what it can make again: WEFT_CACHE, else XDG_CACHE_HOME/weft, else
 * ~/.cache/weft; below the system's temporary folder if none of them can be written.
 *
 * @returns an existing, writable folder.
 */
export function cacheFolder(): string {
  const { WEFT_CACHE, XDG_CACHE_HOME } = process.env;
  const candidates = [
    WEFT_CACHE,
    XDG_CACHE_HOME && join(XDG_CACHE_HOME, "weft"),
    join(homedir(), ".cache", "weft"),
  ];
  return (
    candidates.find((folder) => folder && isWritable(folder)) ?? writable(join(tmpdir(), "weft"))
  );
}

function isWritable(folder: string): boolean {
  try {
    writable(folder);
    return true;
  } catch {
    return false;
  }
}

function writable(folder: string): string {
  mkdirSync(folder, { recursive: true });
  accessSync(folder, constants.W_OK);
  return folder;
}
