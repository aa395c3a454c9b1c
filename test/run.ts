// The whole suite, or several paths of it, in two processes; one path, or what flags choose, in one:
// `npm test [-- PATH... [FLAG...]]`. Most tests keep one core busy or wait, so two processes end in
// about half the time. Each runs its files in turn in one global object: with a global object per file
// (`bun test --parallel`), what native GPU code still calls back after its file has ended brings the
// process down.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import process from "node:process";

const named = process.argv.slice(2);
const isChosen = named.length === 1 || named.some((word) => word.startsWith("-"));
const processes = isChosen || availableParallelism() === 1 ? 1 : 2;

type Ending = { readonly status: number; readonly signal?: NodeJS.Signals };

/** Shows the first one's output as it comes, the other's when it has ended. */
function run(shard: number): Promise<Ending> {
  const outlet = shard === 1 ? "inherit" : "pipe";
  const part = processes === 1 ? [] : [`--shard=${shard}/${processes}`];
  const child = spawn(process.execPath, ["test", "--timeout", "240000", ...part, ...named], {
    stdio: ["inherit", outlet, outlet],
  });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes: Buffer) => output.push(bytes));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.stdout.write(Buffer.concat(output));
      resolve({ status: code ?? 1, signal: signal ?? undefined });
    });
  });
}

/**
 * Native GPU code under Bun crashes now and then while it is opened, before any test of ours runs: once
 * more, and said. What ends by a signal twice has failed.
 */
async function runAgainAfterCrash(shard: number): Promise<number> {
  for (const attempt of ["first", "second"]) {
    const { status, signal } = await run(shard);
    if (!signal) return status;
    console.error(
      `the tests of process ${shard} were ended by ${signal}, at the ${attempt} attempt`,
    );
    if (signal !== "SIGSEGV") break;
  }
  return 1;
}

const shards = Array.from({ length: processes }, (_, index) => runAgainAfterCrash(index + 1));
process.exitCode = Math.max(...(await Promise.all(shards)));
