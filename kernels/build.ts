// Compiles the WebAssembly modules. Part of installing, so it must not need the network, and costs
// nothing while the sources stay the same.
//
//   build/kernels.wasm    every kernels/*/simd.as.ts: the cpu device's, on memory that threads share
//   build/exchange.wasm   kernels/exchange/module.as.ts: sums what peers exchange, on memory that threads share
//   build/quantised.wasm  kernels/quantised/module.as.ts: what decodes at the edge, on plain memory
//   build/quantised_relaxed.wasm  the same with relaxed SIMD, where the machine has it
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import asc from "assemblyscript/asc";
import { hashOfKernelSources, KERNEL_STAMP } from "../src/build_stamps.ts";
import { INITIAL_PAGES, MAXIMUM_PAGES } from "./pages.ts";

const root = resolve(import.meta.dirname, "..");

const options = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory"];

interface Module {
  readonly output: string;
  readonly entries: readonly string[];
  readonly options: readonly string[];
}

/** Of modules that run on the cpu device's memory. */
const shared = [
  ...["--enable", "threads", "--sharedMemory", "--initialMemory", String(INITIAL_PAGES)],
  ...["--maximumMemory", String(MAXIMUM_PAGES)],
];

const modules: readonly Module[] = [
  {
    output: "build/kernels.wasm",
    entries: globSync("kernels/*/simd.as.ts", { cwd: root }).map(slashes).sort(),
    options: shared,
  },
  {
    output: "build/exchange.wasm",
    entries: ["kernels/exchange/module.as.ts"],
    options: shared,
  },
  {
    output: "build/quantised.wasm",
    entries: ["kernels/quantised/module.as.ts"],
    options: ["--initialMemory", "1"],
  },
  {
    output: "build/quantised_relaxed.wasm",
    entries: ["kernels/quantised/module.as.ts"],
    options: ["--initialMemory", "1", "--enable", "relaxed-simd"],
  },
];

export interface KernelBuild {
  readonly outputs: readonly string[];
  /** False when the sources had not changed since the last build. */
  readonly compiled: boolean;
  readonly files: number;
  readonly milliseconds: number;
}

/** Compiles the modules unless they already belong to these sources. @throws on a compile error. */
export async function buildKernels(): Promise<KernelBuild> {
  const began = performance.now();
  const stampFile = join(root, KERNEL_STAMP);
  const outputs = modules.map(({ output }) => join(root, output));
  const stamp = `${hashOfKernelSources(root)} ${asc.version}`;
  const compiled = !(
    outputs.every((path) => existsSync(path)) &&
    existsSync(stampFile) &&
    readFileSync(stampFile, "utf8") === stamp
  );
  if (compiled) {
    mkdirSync(join(root, "build"), { recursive: true });
    for (const module of modules) {
      const binary = await compile(module);
      // Renamed, so that nobody reads half a module; the stamp last, so that a build cut short is repeated.
      const partial = join(root, `${module.output}.${process.pid}`);
      writeFileSync(partial, binary);
      renameSync(partial, join(root, module.output));
    }
    writeFileSync(stampFile, stamp);
  }
  const files = modules.reduce((sum, { entries }) => sum + entries.length, 0);
  return { outputs, compiled, files, milliseconds: performance.now() - began };
}

async function compile(module: Module): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [...module.entries, "--baseDir", root, "--outFile", "out.wasm", ...options, ...module.options],
    {
      writeFile(name, contents) {
        if (name === "out.wasm" && contents instanceof Uint8Array) binary = contents;
      },
    },
  );
  if (error || !binary) {
    const reason = error?.message ?? "no module was written";
    throw new Error(`${module.output}: ${reason}\n${stderr.toString()}`);
  }
  return binary;
}

function slashes(path: string): string {
  return path.replaceAll("\\", "/");
}

if (import.meta.main) {
  const { outputs, compiled, files, milliseconds } = await buildKernels();
  const output = outputs.join(", ");
  console.log(
    compiled
      ? `kernels: ${files} files compiled to ${output} in ${(milliseconds / 1000).toFixed(1)} s`
      : `kernels: ${output} are up to date`,
  );
}
