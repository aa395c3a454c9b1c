// Whether what lies in build/ was made from the sources beside it. After a pull without an install, old
// kernels under new callers would give wrong numbers and no error. Builds write a hash of their sources
// down; what opens a built file in a checkout compares. The compiled binary and the bundles of
// deployments have no sources beside them, and nothing to compare.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "./config/user_error.ts";

/** The top of the checkout that this file is part of, if it is one. */
const checkout = import.meta.url.endsWith("/src/build_stamps.ts")
  ? resolve(fileURLToPath(import.meta.url), "../..")
  : undefined;

/** SHA-256 over names and contents, in hexadecimal digits. @param names from the top. @throws if one is missing. */
export function hashOfFiles(top: string, names: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of names) hash.update(`\0${name}\0`).update(readFileSync(join(top, name)));
  return hash.digest("hex");
}

/** Where the kernels' stamp lies: the hash of their sources, a space, and the compiler's version. */
export const KERNEL_STAMP = "build/kernels.wasm.sha256";

/** The hash of all AssemblyScript and of what decides how it is compiled. */
export function hashOfKernelSources(top: string): string {
  const names = readdirSync(join(top, "kernels"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".as.ts"))
    .map((name) => `kernels/${name.replaceAll("\\", "/")}`)
    .sort();
  return hashOfFiles(top, [...names, "kernels/build.ts", "kernels/pages.ts"]);
}

/** Where the edge's stamps lie. */
export const EDGE_STAMPS = "build/edge/sources.json";

/** What a bundle was made from, by its name in build/edge. */
export type EdgeStamps = Readonly<Record<string, EdgeStamp>>;

export interface EdgeStamp {
  /** From the top of the checkout. */
  readonly sources: readonly string[];
  /** hashOfFiles() over them. */
  readonly sha256: string;
}

/**
 * Refuses kernels that were compiled from other sources than those of the checkout. Takes a few
 * milliseconds: some 40 files are read.
 *
 * @param file whose bytes are wanted, for the message: "kernels.wasm".
 * @throws UserError that names the remedy.
 */
export function checkKernels(file: string, top: string | undefined = checkout): void {
  if (top === undefined) return;
  const [stamped] = textOf(top, KERNEL_STAMP)?.split(" ") ?? [];
  if (stamped !== hashOfKernelSources(top)) throw stale(`build/${file}`, "kernels/");
}

/**
 * Refuses a bundle that was made from other sources than those of the checkout.
 *
 * @param name in build/edge: "server.js.asset".
 * @throws UserError that names the remedy.
 */
export function checkEdge(name: string, top: string | undefined = checkout): void {
  if (top === undefined) return;
  const text = textOf(top, EDGE_STAMPS);
  const stamps: EdgeStamps = text === undefined ? {} : JSON.parse(text);
  if (!(name in stamps && isFresh(stamps[name], top))) {
    throw stale(`build/edge/${name}`, "edge/ and src/");
  }
}

function isFresh({ sources, sha256 }: EdgeStamp, top: string): boolean {
  try {
    return hashOfFiles(top, sources) === sha256;
  } catch {
    return false; // a source has left
  }
}

function textOf(top: string, path: string): string | undefined {
  try {
    return readFileSync(join(top, path), "utf8");
  } catch {
    return undefined; // of a weft that wrote none
  }
}

const stale = (place: string, sources: string): UserError =>
  new UserError({
    place,
    problem: `does not belong to the sources under ${sources} of this checkout`,
    remedy: "run `npm run prepare`, which builds it anew",
  });
