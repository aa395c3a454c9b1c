// Learns to reverse strings of digits: "3 1 4" becomes "4 1 3". A minute or two from nothing to
// 100 % exact match, so a fault anywhere between text and search shows at once.
//
//   bun run recipes/toy-reverse.ts            [further flags for weft train, such as --device webgpu]
import { join } from "node:path";
import process from "node:process";
import { exactMatches, toyModel, writeReversals } from "./support/reversals.ts";
import { deviceFlags, secondsSinceStart, weft } from "./support/weft.ts";

const out = join(import.meta.dirname, "out/toy-reverse");
const bin = join(out, "bin");
const checkpoints = join(out, "checkpoints");
const flags = process.argv.slice(2);

await weft(writeReversals(out));
await weft([
  ...["train", bin, "--save-dir", checkpoints, ...toyModel],
  ...["--max-tokens", "1024", "--max-epoch", "18", ...flags],
]);
const printed = await weft(
  [
    ...["generate", bin, "--path", join(checkpoints, "checkpoint_last.safetensors"), "--ema"],
    ...["--beam", "5", ...deviceFlags(flags)],
  ],
  { capture: true },
);

const { right, all } = exactMatches(printed);
console.log(`\nexact match: ${right} of ${all} (${secondsSinceStart()} s)`);
if (right !== all) process.exit(1);
