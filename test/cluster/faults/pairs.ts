// Two peers: neither can tell a dead one from a broken network.
import { noProgress } from "./deaths.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, type Stage } from "./stage.ts";

async function higherDies(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 2, shards: 1 });
  await job.peer(0).reaches(30);
  const at = await job.peer(1).kill();
  const recovery = await goOn(job, [0], at);
  const again = performance.now();
  job.start(1);
  const back = await goOn(job, [0, 1], again);
  return `0 goes on after ${ms(recovery)}, 1 is back after ${ms(back)}; ${await stage.judge(job)}`;
}

async function lowerDies(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 2, shards: 1 });
  await job.peer(0).reaches(30);
  const at = await job.peer(0).kill();
  const saved = await job.peer(1).sees(/saved checkpoint_suspended_1.safetensors/, at);
  await noProgress(job, [1]);
  const again = performance.now();
  job.start(0);
  const back = await goOn(job, [0, 1], again);
  check(job.peer(0).has(/took over the other peers' state/), job.log);
  const end = await stage.judge(job);
  return `1 has suspended and saved after ${ms(saved.at - at)}, both go on ${ms(back)} after the restart; ${end}`;
}

/** With a register either may die: first one does, then the other, which had come back. */
async function fenced(stage: Stage): Promise<string> {
  const fence = `file://${stage.newFolder("fence")}`;
  const flags = ["--fence", fence];
  const job = await stage.begin({ peers: 2, shards: 1, flags, updates: 300, timeout: 1 });
  const times: number[] = [];
  for (const rank of [0, 1, 0]) {
    await job.peer(1 - rank).makesOneMore();
    const at = await job.peer(rank).kill();
    times.push(await goOn(job, [1 - rank], at));
    const again = performance.now();
    job.start(rank);
    await goOn(job, [0, 1], again);
  }
  const end = await stage.judge(job);
  return `the other one goes on after ${times.map(ms).join(", ")} (timeout 1 s); ${end}`;
}

/** A third one, which stands in nobody's list: it comes, is killed, and comes again. */
async function joined(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 2, shards: 2 });
  await job.peer(0).reaches(20);
  const times: number[] = [];
  for (let turn = 0; turn < 2; turn++) {
    const begun = performance.now();
    job.start(2, { flags: ["--join"] });
    times.push(await goOn(job, [0, 1, 2], begun));
    if (turn > 0) break;
    const at = await job.peer(2).kill();
    await goOn(job, [0, 1], at);
  }
  return `all three go on after ${times.map(ms).join(", ")}; ${await stage.judge(job)}`;
}

export const pairs: readonly Scenario[] = [
  { name: "rank 1 of 2 is killed and started again: rank 0 goes on", play: higherDies },
  { name: "rank 0 of 2 is killed and started again: rank 1 waits", play: lowerDies },
  { name: "rank 2 comes to a cluster of 2 with --join, twice", play: joined },
  { name: "either rank of 2 is killed, and there is a --fence", play: fenced },
];
