// Two processes of this machine train one model: the toy task of toy-reverse.ts, learned by two peers of a
// cluster in less than a minute, to 100 % exact match. Each computes half of every update's batches.
//
//   bun run recipes/cluster-local.ts            [further flags for weft train, such as --wire int8]
import { join } from "node:path";
import process from "node:process";
import { exactMatches, toyModel, writeReversals } from "./support/reversals.ts";
import { secondsSinceStart, weft } from "./support/weft.ts";

const out = join(import.meta.dirname, "out/cluster-local");
const bin = join(out, "bin");
const checkpoints = join(out, "checkpoints");

await weft(writeReversals(out));
await weft([
  ...["launch", "-n", "2", "--", "train", bin, "--save-dir", checkpoints, ...toyModel],
  // Half as many tokens as for one process: an update is as large.
  ...["--max-tokens", "512", "--max-epoch", "18", "--device", "cpu", ...process.argv.slice(2)],
]);
const printed = await weft(
  [
    ...["generate", bin, "--path", join(checkpoints, "checkpoint_last.safetensors"), "--ema"],
    ...["--beam", "5", "--device", "cpu"],
  ],
  { capture: true },
);

const { right, all } = exactMatches(printed);
console.log(`\nexact match: ${right} of ${all}, by two peers (${secondsSinceStart()} s)`);
if (right !== all) process.exit(1);
