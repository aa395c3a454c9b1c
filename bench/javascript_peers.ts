// A training step of small's shape beside the other engines of the JavaScript world: forward, label-smoothed
// loss, backward and Adam, in weft (with and without BLAS), in TensorFlow.js (wasm backend) and in jax-js
// (wasm device, the whole step jitted). The same weights, the same batch of 64 sentences of at most 32
// tokens, no dropout; each in its own idiom (bench/support/step_of_*.js), in a process of its own, in turn.
// Their losses must be weft's, over all steps. Medians of the steps after the first ones.
//
//   bun bench/javascript_peers.ts PACKAGES [--pairs 3] [--steps 6] [--layers 3] [--vocabulary 6000]
//     [--only "tfjs, Bun"]
//
// PACKAGES is a folder for the peers' npm packages, which are none of weft's dependencies: npm installs them
// there, in the versions below, where they are missing. Peers run under Bun and Deno; either's time is shown.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import { uniqueParameters } from "../src/nn/module.ts";
import { sinusoidalTable } from "../src/nn/positional_embedding.ts";
import { type JavascriptJob, type StepReport, writeJob } from "./support/javascript_job.ts";
import * as peerStep from "./support/peer_step.ts";
import { median } from "./support/statistics.ts";

const VERSIONS = {
  "@jax-js/jax": "0.1.25",
  "@tensorflow/tfjs": "4.22.0",
  "@tensorflow/tfjs-backend-wasm": "4.22.0",
};

/** Steps that compile kernels and fill caches. */
const WARM_UP = 2;

/** Losses of one step may differ by so much: sums in other orders, and Adam's epsilon in another place. */
const TOLERANCE = 2e-3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: "string", default: "3" },
    steps: { type: "string", default: "6" },
    layers: { type: "string", default: "3" },
    vocabulary: { type: "string", default: "6000" },
    only: { type: "string", default: "" },
  },
});
if (positionals.length !== 1) {
  console.error("usage: bun bench/javascript_peers.ts PACKAGES [--pairs 3] [--steps 6]");
  process.exit(2);
}
const packages = resolve(positionals[0]);

/** Installs what is missing, from the registry that npm is set up with. */
function install(): void {
  mkdirSync(packages, { recursive: true });
  const manifest = join(packages, "package.json");
  if (!existsSync(manifest)) writeFileSync(manifest, '{ "private": true }\n');
  const isThere = ([name, version]: readonly [string, string]): boolean => {
    const path = join(packages, "node_modules", name, "package.json");
    return existsSync(path) && JSON.parse(readFileSync(path, "utf8")).version === version;
  };
  if (Object.entries(VERSIONS).every(isThere)) return;
  const wanted = Object.entries(VERSIONS).map(([name, version]) => `${name}@${version}`);
  const { status } = spawnSync("npm", ["install", "--save-exact", "--no-audit", ...wanted], {
    cwd: packages,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error(`npm could not install ${wanted.join(", ")}`);
}

const sizes: peerStep.StepSizes = {
  ...{ B: 64, S: 32, T: 32, C: 256, H: 1024, heads: 4 },
  ...{ V: Number(values.vocabulary), layers: Number(values.layers) },
};

async function prepareJob(folder: string): Promise<void> {
  const { S, T, C } = sizes;
  const device = await openCpuDevice({ threads: 1, blas: "none" });
  const { model, batch } = peerStep.weftStep(device, sizes);
  const { prevOutputTokens: previous, target } = batch;
  if (!previous || !target) throw new Error("the batch has no target");
  const parameters = [];
  for (const [name, { shape, variable }] of uniqueParameters(model)) {
    parameters.push({ name, shape, data: new Float32Array(await device.read(variable)) });
  }
  await device.close();
  // Positions count from padding + 1.
  const rows = peerStep.PADDING + 1 + Math.max(S, T);
  const positions = sinusoidalTable(rows, C, peerStep.PADDING).slice((peerStep.PADDING + 1) * C);
  const { smoothing, lr, betas, epsilon, PADDING: padding } = peerStep;
  const job: JavascriptJob = {
    ...{ ...sizes, padding, smoothing, lr, betas, epsilon, parameters, positions },
    ...{ steps: WARM_UP + Number(values.steps), ntokens: batch.ntokens },
    ...{ source: batch.srcTokens.data, previous: previous.data, target: target.data },
  };
  writeJob(folder, job);
}

const support = (name: string): string => join(import.meta.dirname, "support", name);
const deno = join(import.meta.dirname, "../node_modules/.bin/deno");
const bun = [process.execPath];
const folder = mkdtempSync(join(tmpdir(), "weft-javascript-peers-"));
const contenders: Record<string, readonly string[]> = {
  "weft, BLAS": [...bun, support("step_of_weft.ts"), folder],
  "weft, WASM": [...bun, support("step_of_weft.ts"), folder, "none"],
};
for (const [runtime, command] of Object.entries({ Bun: bun, Deno: [deno, "run", "-A"] })) {
  for (const [name, file] of Object.entries({
    tfjs: "step_of_tfjs.js",
    "jax-js": "step_of_jax.js",
  })) {
    contenders[`${name}, ${runtime}`] = [...command, support(file), packages, folder];
  }
}

/** The steps of one process; what it said where it failed. */
function run([program, ...args]: readonly string[]): StepReport[] | string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) return stderr.trim().split("\n").slice(0, 12).join("\n");
  return stdout
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as StepReport);
}

/** Largest difference between the losses of two runs. */
const difference = (a: readonly StepReport[], b: readonly StepReport[]): number =>
  Math.max(...a.map(({ loss }, i) => Math.abs(loss - b[i].loss)));

install();
await prepareJob(folder);
const times = new Map<string, number[]>();
const differences = new Map<string, number>();
const failures = new Map<string, string>();
let truth: readonly StepReport[] | undefined;
for (let pair = 0; pair < Number(values.pairs); pair++) {
  for (const [name, command] of Object.entries(contenders)) {
    if (failures.has(name) || !(name.startsWith("weft") || name.includes(values.only))) continue;
    const steps = run(command);
    if (typeof steps === "string") {
      failures.set(name, steps);
      console.error(`${name} failed:\n${steps}`);
      continue;
    }
    truth ??= steps;
    const apart = difference(steps, truth);
    if (!(apart <= TOLERANCE)) {
      throw new Error(
        `${name}: losses ${steps.map(({ loss }) => loss)} are not weft's ${truth.map(({ loss }) => loss)}`,
      );
    }
    differences.set(name, Math.max(apart, differences.get(name) ?? 0));
    const all = steps.slice(WARM_UP).map(({ milliseconds }) => milliseconds);
    times.set(name, [...(times.get(name) ?? []), median(all)]);
    console.error(`${name}: ${all.map((each) => each.toFixed(0)).join(" ")} ms`);
  }
}
rmSync(folder, { recursive: true });

console.log(
  `\n${cpus()[0]?.model.trim()}, ${availableParallelism()} cores; losses ${truth?.map(({ loss }) => loss.toFixed(4)).join(" ")}\n`,
);
console.log(
  "| a step | ms (median) | min | max | weft, BLAS is faster by | weft, WASM by | losses apart |",
);
console.log("|---|--:|--:|--:|--:|--:|--:|");
for (const [name, all] of times) {
  const cells = [median(all), Math.min(...all), Math.max(...all)].map((ms) => ms.toFixed(0));
  for (const ours of ["weft, BLAS", "weft, WASM"]) {
    const other = times.get(ours);
    cells.push(
      other?.length === all.length ? median(all.map((ms, i) => ms / other[i])).toFixed(1) : "",
    );
  }
  const apart = differences.get(name)?.toExponential(0);
  console.log(`| ${[name, ...cells, apart].join(" | ")} |`);
}
process.exit(0);
