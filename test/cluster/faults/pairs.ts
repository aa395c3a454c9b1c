// Two peers: neither can tell a dead one from a broken network.
import { cpSync } from "node:fs";
import { distance } from "./compare.ts";
import { noProgress } from "./deaths.ts";
import type { Job } from "./job.ts";
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

/** Nobody comes back: the one that waits does not do so for ever. */
async function waitsInVain(stage: Stage): Promise<string> {
  const flags = ["--start-timeout", "4"];
  const job = await stage.begin({ peers: 2, shards: 1, flags });
  await job.peer(0).reaches(30);
  const at = await job.peer(0).kill();
  const code = await job.peer(1).end();
  const seconds = performance.now() - at;
  check(code === 75, `rank 1 ended with ${code}\n${job.log}`);
  check(seconds < 7000, `it took ${ms(seconds)}`);
  const words = /only 1 of the last 2 members are in reach, and nobody has come back within 4 s/;
  check(job.peer(1).has(words), job.log);
  return `it ends after ${ms(seconds)}`;
}

/** A register keeps what a run of three was; one of two goes on from its checkpoint. */
async function fencedAgain(stage: Stage): Promise<string> {
  const flags = ["--fence", `file://${stage.newFolder("fence")}`];
  const setting = { shards: 2, flags: [...flags, "--save-interval-updates", "20"], updates: 100 };
  const first = await stage.begin({ ...setting, peers: 3 });
  await first.peer(0).reaches(50);
  await Promise.all(first.living.map((peer) => peer.kill()));
  const second = await stage.prepare({ ...setting, peers: 2 });
  cpSync(first.folderOf(0), second.folderOf(0), { recursive: true });
  for (const rank of [0, 1]) second.start(rank);
  const said = await second.peer(0).sees(/the register knows of ranks 0, 1, 2.*awaited are 0, 1/);
  await second.finish();
  check(second.peer(0).update === 100, second.log);
  return said.text.replace(/^.*the register/, "the register");
}

/** All are told to stop in the midst of a round, in which each has parameters of its own. */
async function stopsInRound(stage: Stage): Promise<string> {
  const flags = ["--sync-every", "10", "--validate-interval", "100"];
  const setting = { peers: 2, shards: 2, updates: 60, flags };
  const first = await stage.begin(setting);
  await first.peer(0).reaches(25);
  for (const peer of first.living) peer.signal("SIGTERM");
  await Promise.all(first.processes.map((peer) => peer.end()));
  const second = await stage.prepare(setting);
  cpSync(first.folderOf(0), second.folderOf(0), { recursive: true });
  for (const rank of [0, 1]) second.start(rank);
  const said = await second.peer(0).sees(/continuing from/);
  await second.finish();
  check(second.peer(0).update === 60, second.log);
  const { tensors } = distance((await undisturbed(stage, setting)).folderOf(0), second.folderOf(0));
  return `${said.text.replace(/^.*: epoch/, "from epoch")}; the end differs by ${tensors.toExponential(0)}`;
}

async function undisturbed(stage: Stage, setting: Parameters<Stage["begin"]>[0]): Promise<Job> {
  const job = await stage.begin({ ...setting, pace: 0 });
  await job.finish();
  return job;
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
  { name: "rank 0 of 2 is killed and never comes back: rank 1 ends", play: waitsInVain },
  { name: "a job of 3 with a --fence is killed and begins again with 2 peers", play: fencedAgain },
  { name: "a job with --sync-every is stopped within a round and goes on", play: stopsInRound },
  { name: "rank 2 comes to a cluster of 2 with --join, twice", play: joined },
  { name: "either rank of 2 is killed, and there is a --fence", play: fenced },
];
