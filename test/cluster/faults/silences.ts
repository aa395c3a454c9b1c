// Peers that say nothing for a while, or little.
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, pause, type Stage } from "./stage.ts";

async function stopAndContinue(stage: Stage, rank: number): Promise<string> {
  const timeout = 1;
  const job = await stage.begin({ timeout });
  await job.peer(0).reaches(30);
  const at = performance.now();
  job.peer(rank).signal("SIGSTOP");
  const others = [0, 1, 2, 3].filter((each) => each !== rank);
  const recovery = await goOn(job, others, at);
  check(recovery > 900 * timeout && recovery < 1000 * timeout + 1000, `it took ${ms(recovery)}`);
  const awake = performance.now();
  job.peer(rank).signal("SIGCONT");
  const back = await goOn(job, [0, 1, 2, 3], awake);
  await job.peer(rank).sees(/took over the other peers' state/, awake);
  const end = await stage.judge(job);
  return `expelled after ${ms(recovery)} (timeout ${timeout} s), back ${ms(back)} after SIGCONT; ${end}`;
}

/** Its heartbeats go on, for they are another thread's. */
async function hangs(stage: Stage): Promise<string> {
  const flags = ["--hang-timeout", "2"];
  const job = await stage.begin({ flags });
  await job.peer(0).reaches(30);
  const at = performance.now();
  job.hang(2);
  const recovery = await goOn(job, [0, 1, 3], at);
  check(recovery > 1900 && recovery < 4000, `it took ${ms(recovery)}`);
  const peer = job.peer(2);
  await peer.end();
  check(peer.has(/^weft: cluster: rank 2 hangs: its training has given no sign for/), job.log);
  check(job.peer(0).has(/rank 2 has left: rank 2 hangs/), job.log);
  return `others go on after ${ms(recovery)}; ${await stage.judge(job)}`;
}

async function shortStop(stage: Stage): Promise<string> {
  const job = await stage.begin({ timeout: 3 });
  for (const rank of [0, 2]) {
    await job.peer(3).makesOneMore();
    job.peer(rank).signal("SIGSTOP");
    await pause(1000);
    job.peer(rank).signal("SIGCONT");
    await job.peer(rank).makesOneMore();
  }
  const end = await stage.judge(job);
  check(!job.processes.some((peer) => peer.has(/lost rank/)), `a member was lost\n${job.log}`);
  return `nobody is expelled; ${end}`;
}

async function slowPace(stage: Stage): Promise<string> {
  const job = await stage.prepare({ timeout: 1, updates: 60 });
  for (const rank of [0, 1, 2, 3]) job.start(rank, { pace: rank === 1 ? 100 : 10 });
  await job.peer(0).reaches(55);
  const end = await stage.judge(job);
  check(!job.processes.some((peer) => peer.has(/lost rank/)), `a member was lost\n${job.log}`);
  return `nobody is expelled; ${end}`;
}

/** A process that runs a tenth of the time, communication and all. */
async function slowProcess(stage: Stage): Promise<string> {
  const job = await stage.begin({ timeout: 1, updates: 60 });
  await job.peer(0).reaches(5);
  const slow = job.peer(1);
  while (!slow.isOver) {
    slow.signal("SIGSTOP");
    await pause(90);
    slow.signal("SIGCONT");
    await pause(10);
  }
  const end = await stage.judge(job);
  check(!job.processes.some((peer) => peer.has(/lost rank/)), `a member was lost\n${job.log}`);
  return `nobody is expelled; ${end}`;
}

export const silences: readonly Scenario[] = [
  { name: "the training of rank 2 of 4 hangs", play: hangs },
  ...[0, 2].map((rank) => ({
    name: `rank ${rank} of 4 is stopped until the others go on without it, and continues`,
    play: (stage: Stage) => stopAndContinue(stage, rank),
  })),
  { name: "peers are stopped for less than --peer-timeout", play: shortStop },
  { name: "rank 1 of 4 computes at a tenth of the others' speed", play: slowPace },
  { name: "rank 1 of 4 runs a tenth of the time", play: slowProcess },
];
