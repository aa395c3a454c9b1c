// Compiles every kernels/*/simd.as.ts into one WebAssembly module, build/kernels.wasm. Part of
// installing, so it must not need the network, and costs nothing while the sources stay the same.
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import asc from "assemblyscript/asc";
import { INITIAL_PAGES, MAXIMUM_PAGES } from "./pages.ts";

const root = resolve(import.meta.dirname, "..");

const options = [
  ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--enable", "threads"],
  ...["--importMemory", "--sharedMemory"],
  ...["--initialMemory", String(INITIAL_PAGES), "--maximumMemory", String(MAXIMUM_PAGES)],
];

export interface KernelBuild {
  readonly output: string;
  /** False when the sources had not changed since the last build. */
  readonly compiled: boolean;
  readonly files: number;
  readonly milliseconds: number;
}

/** Compiles the kernels unless build/kernels.wasm already belongs to these sources. @throws on a compile error. */
export async function buildKernels(): Promise<KernelBuild> {
  const began = performance.now();
  const entries = globSync("kernels/*/simd.as.ts", { cwd: root }).map(slashes).sort();
  const output = join(root, "build/kernels.wasm");
  const hashFile = `${output}.sha256`;
  const hash = hashSources();
  const compiled = !(
    existsSync(output) &&
    existsSync(hashFile) &&
    readFileSync(hashFile, "utf8") === hash
  );
  if (compiled) {
    const binary = await compile(entries);
    mkdirSync(join(root, "build"), { recursive: true });
    // Renamed, so that nobody reads half a module; the hash last, so that a build cut short is repeated.
    const partial = `${output}.${process.pid}`;
    writeFileSync(partial, binary);
    renameSync(partial, output);
    writeFileSync(hashFile, hash);
  }
  return { output, compiled, files: entries.length, milliseconds: performance.now() - began };
}

async function compile(entries: readonly string[]): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [...entries, "--baseDir", root, "--outFile", "kernels.wasm", ...options],
    {
      writeFile(name, contents) {
        if (name === "kernels.wasm" && contents instanceof Uint8Array) binary = contents;
      },
    },
  );
  if (error || !binary) {
    throw new Error(`kernels: ${error?.message ?? "no module was written"}\n${stderr.toString()}`);
  }
  return binary;
}

/** Over all AssemblyScript sources, the options (here and in pages.ts) and the compiler's version. */
function hashSources(): string {
  const hash = createHash("sha256").update(asc.version);
  for (const name of [
    ...globSync("kernels/**/*.as.ts", { cwd: root }).map(slashes).sort(),
    "kernels/build.ts",
    "kernels/pages.ts",
  ]) {
    hash.update(`\0${name}\0`).update(readFileSync(join(root, name)));
  }
  return hash.digest("hex");
}

const slashes = (path: string): string => path.replaceAll("\\", "/");

if (import.meta.main) {
  const { output, compiled, files, milliseconds } = await buildKernels();
  console.log(
    compiled
      ? `kernels: ${files} files compiled to ${output} in ${(milliseconds / 1000).toFixed(1)} s`
      : `kernels: ${output} is up to date`,
  );
}
