// Builds `weft` as one file: Bun itself, all of weft, the kernels, the workers, and Dawn's library.
// Not a command of weft, but what `bun run build` runs: bun src/cli/build.ts [FILE]
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { buildEdge } from "../../edge/build.ts";
import { buildKernels } from "../../kernels/build.ts";
import { workerEntries } from "../workers.ts";

const root = resolve(import.meta.dirname, "../..");

/**
 * Writes the executable, for the machine that builds it.
 *
 * Dawn comes along by itself: bun-webgpu imports its shared library as a file, which the bundler
 * embeds; at run time Bun puts it into the folder for temporary files, where the loader can open it.
 *
 * @throws AggregateError with the bundler's messages.
 */
export async function buildBinary(outfile: string): Promise<void> {
  await buildKernels();
  await buildEdge();
  const target = resolve(outfile);
  mkdirSync(dirname(target), { recursive: true });
  // Beside the executable the bundler writes source maps, which it also embeds: they are left behind.
  const workshop = mkdtempSync(join(dirname(target), ".build-"));
  try {
    const built = join(workshop, basename(target));
    await Bun.build({
      entrypoints: ["src/cli/main.ts", ...workerEntries].map((entry) => join(root, entry)),
      root, // so that inside the binary workers have the paths that workerUrl() gives
      target: "bun",
      sourcemap: "inline", // --debug names lines of the sources
      // What lies in the folder where a user works must not change the program.
      compile: { outfile: built, autoloadBunfig: false, autoloadDotenv: false },
    });
    renameSync(built, target);
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const outfile = process.argv[2] ?? join(root, "dist/weft");
  await buildBinary(outfile);
  console.log(`${outfile}: ${(statSync(outfile).size / 2 ** 20).toFixed(0)} MiB`);
}
