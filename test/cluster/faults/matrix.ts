// All faults, one after the other, by processes that really train: minutes. The tests play some of them
// (faults.test.ts). From the top of the repository:
//
//   bun test/cluster/faults/matrix.ts [WORDS]    scenarios whose name contains the words
//   WEFT_FAULT_FLAGS="--reproducible" bun test/cluster/faults/matrix.ts
//
// The flags are given to every peer, those of the undisturbed trainings too. Partitions need root and
// iproute2. The exit code is 1 if a scenario failed.
import process from "node:process";
import { cables } from "./cables.ts";
import { deaths } from "./deaths.ts";
import { many } from "./many.ts";
import { pairs } from "./pairs.ts";
import { partitions } from "./partitions.ts";
import { restarts } from "./restarts.ts";
import { silences } from "./silences.ts";
import { Stage } from "./stage.ts";
import { strangers } from "./strangers.ts";

const words = process.argv.slice(2).join(" ");
const all = [
  ...[many, ...deaths, ...silences, ...partitions, ...cables],
  ...[...strangers, ...restarts, ...pairs],
];
const scenarios = all.filter(({ name }) => name.includes(words));
const stage = new Stage();
let failed = 0;
for (const { name, obstacle, play } of scenarios) {
  const begun = performance.now();
  const reason = obstacle?.();
  const outcome = reason === undefined ? await attempt(() => play(stage)) : `SKIPPED: ${reason}`;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${seconds.padStart(6)} s  ${name}\n          ${outcome}`);
  await stage.clear();
}
await stage.close();
console.log(`${scenarios.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

async function attempt(play: () => Promise<string>): Promise<string> {
  try {
    return await play();
  } catch (error) {
    failed++;
    return `FAILED: ${error instanceof Error ? error.message : String(error)}\n${stage.log}`;
  }
}
