// The whole suite, or what several words choose of it, by two processes at a time; what flags choose, in
// one: `npm test [-- PATH... [FLAG...]]`. Most tests keep one core busy or wait, so two processes end in
// about half the time. Each runs some files in turn in one global object: with a global object per file
// (`bun test --parallel`), what native GPU code still calls back after its file has ended brings the
// process down.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve, sep } from "node:path";
import process from "node:process";

const fileOf = (name: string): string => `test/${name}.test.ts`;

/** Files that mostly wait, for a time to pass or for Slurm: they run in turn beside the two processes. */
const WAITING = ["cluster/faults/faults", "cluster/slurm/slurm_recipe"].map(fileOf);

/**
 * The files that take longest, longest first: each is begun early and has a process of its own, so that
 * both processes end at about the same time. The others are dealt out to groups.
 */
const LONGEST = [
  ...["kernels/suite", "device/webgpu_matmul", "end_to_end/bad_input", "end_to_end/bookkeeping"],
  ...["end_to_end/resume", "kernels/half", "edge/page/webgpu_page", "end_to_end/device_loss"],
  ...["end_to_end/cluster", "edge/page/static_page", "generate/golden_generate", "train/fp16"],
  "end_to_end/edge",
].map(fileOf);

/** Files in one group: a process takes half a second to start. */
const GROUP = 12;

const root = resolve(import.meta.dirname, "..");
const named = process.argv.slice(2);

/**
 * Files whose path contains one of the words, as `bun test` chooses them; all for no word.
 *
 * @throws if one that is named above is gone, or a word chooses none.
 */
function chosenFiles(given: readonly string[]): string[] {
  const words = given.map((word) => word.replace(/^\.\//, ""));
  const all = globSync("test/**/*.test.ts", { cwd: root }).map((path) => path.replaceAll(sep, "/"));
  const gone = [...WAITING, ...LONGEST].filter((path) => !all.includes(path));
  if (gone.length > 0) throw new Error(`test/run.ts names files that are gone: ${gone.join(", ")}`);
  const idle = words.filter((word) => !all.some((path) => path.includes(word)));
  if (idle.length > 0) throw new Error(`no test file's path contains ${idle.join(" or ")}`);
  return all
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .sort();
}

/** What each process is given of files that need not wait, in the order in which they begin. */
function groupsOf(files: readonly string[]): string[][] {
  const rest = files.filter((path) => !LONGEST.includes(path) && !WAITING.includes(path));
  const groups = Array.from({ length: Math.ceil(rest.length / GROUP) }, (): string[] => []);
  // Dealt out in turn, for neighbours are alike.
  for (const [index, path] of rest.entries()) groups[index % groups.length].push(path);
  return [...LONGEST.filter((path) => files.includes(path)).map((path) => [path]), ...groups];
}

interface Ending {
  readonly status: number;
  readonly signal?: NodeJS.Signals;
  /** What it wrote; empty if that was shown at once. */
  readonly output: string;
}

/**
 * Mesa's software GPU compiles a kernel in less than half the time for vectors of four and without
 * optimising, and tests run few of its kernels for long. Whoever sets these otherwise is heeded.
 */
const softwareGpu = { LP_NATIVE_VECTOR_WIDTH: "128", GALLIVM_PERF: "nopt" };

/** @param isShown whether its output goes where ours goes; else it is collected. */
function run(args: readonly string[], isShown: boolean): Promise<Ending> {
  const outlet = isShown ? "inherit" : "pipe";
  const child = spawn(process.execPath, ["test", "--timeout", "240000", ...args], {
    cwd: root,
    env: { ...softwareGpu, ...process.env },
    stdio: ["inherit", outlet, outlet],
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes: Buffer) => chunks.push(bytes));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const output = Buffer.concat(chunks).toString();
      resolve({ status: code ?? 1, signal: signal ?? undefined, output });
    });
  });
}

/**
 * Native GPU code under Bun crashes now and then while it is opened, before any test of ours runs: once
 * more, and said. What ends by a signal twice has failed.
 */
async function runAgainAfterCrash(args: readonly string[], isShown: boolean): Promise<Ending> {
  for (let attempt = 1; ; attempt++) {
    const ending = await run(args, isShown);
    process.stdout.write(ending.output);
    const { signal } = ending;
    if (!signal) return ending;
    console.error(`bun test ${args.join(" ")} was ended by ${signal}, at attempt ${attempt} of 2`);
    if (signal !== "SIGSEGV" || attempt === 2) return { ...ending, status: 1 };
  }
}

/** Runs the files and says at the end what came of all. @returns the exit status. */
async function runFiles(files: readonly string[]): Promise<number> {
  const count = { pass: 0, skip: 0, fail: 0 };
  const failures: string[] = [];
  async function work(groups: string[][]): Promise<void> {
    for (let group = groups.shift(); group; group = groups.shift()) {
      const paths = group.map((path) => `./${path}`);
      const { status, output } = await runAgainAfterCrash(paths, false);
      for (const [, number, what] of output.matchAll(/^ *(\d+) (pass|skip|fail)$/gm)) {
        count[what as keyof typeof count] += Number(number);
      }
      const found = [...output.matchAll(/^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/gm)].map(
        ([, name]) => name,
      );
      if (status !== 0) failures.push(...(found.length > 0 ? found : group));
    }
  }
  const waiting = files.filter((path) => WAITING.includes(path)).map((path) => [path]);
  const groups = groupsOf(files);
  const workers = Array.from({ length: Math.min(2, availableParallelism()) }, () => work(groups));
  await Promise.all([work(waiting), ...workers]);
  for (const failure of failures) console.log(`failed: ${failure}`);
  const seconds = (performance.now() / 1000).toFixed(0);
  console.log(
    `\n${count.pass} passed, ${count.skip} skipped, ${count.fail} failed in ${seconds} s`,
  );
  return failures.length === 0 ? 0 : 1;
}

const files = named.some((word) => word.startsWith("-")) ? [] : chosenFiles(named);
process.exitCode =
  files.length > 1 ? await runFiles(files) : (await runAgainAfterCrash(named, true)).status;
