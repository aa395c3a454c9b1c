import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { planRemoval, type SavePlan, type SavePolicy } from "./checkpoint_policy.ts";
import { duplicateFile, prepareFolder } from "./checkpoint_replace.ts";

/** Names in the folder; none if it does not exist. */
export async function checkpointNames(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

/**
 * Carries out a plan: writes the first name, makes the others share its content, then removes what
 * the keep_* flags no longer cover. The name that a restart reads is the last to change, so that a
 * run killed in between redoes this event from the one before.
 *
 * @param write saves the present state under a path, whole or not at all (writeCheckpoint).
 * @throws what `write` and duplicateFile throw; nothing is removed then.
 */
export async function carryOut(
  folder: string,
  config: SavePolicy,
  plan: SavePlan,
  endOfEpoch: boolean,
  write: (path: string) => Promise<void>,
): Promise<{ written: readonly string[]; removed: readonly string[] }> {
  const [first, ...others] = plan.write;
  if (first === undefined) return { written: [], removed: [] };
  await prepareFolder(folder);
  await write(join(folder, first));
  for (const name of others) await duplicateFile(join(folder, first), join(folder, name));
  const removed = planRemoval(config, endOfEpoch, await checkpointNames(folder));
  await Promise.all(removed.map((name) => rm(join(folder, name), { force: true })));
  return { written: plan.write, removed };
}
