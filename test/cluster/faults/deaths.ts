// Peers that are killed, alone and several at once, and started again.
import type { Job } from "./job.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, pause, type Stage } from "./stage.ts";

/** Milliseconds within which survivors go on after a process has died. */
const SOON = 5000;

async function killAndRestart(stage: Stage, rank: number): Promise<string> {
  const job = await stage.begin({});
  await job.peer(0).reaches(30);
  const at = await job.peer(rank).kill();
  const others = [0, 1, 2, 3].filter((each) => each !== rank);
  const recovery = await goOn(job, others, at);
  check(recovery < SOON, `the others went on after ${ms(recovery)}`);
  const again = performance.now();
  job.start(rank);
  const back = await goOn(job, [0, 1, 2, 3], again);
  return `others go on after ${ms(recovery)}, it is back after ${ms(back)}; ${await stage.judge(job)}`;
}

async function killTwo(stage: Stage, peers: number, dead: readonly number[]): Promise<string> {
  const job = await stage.begin({ peers });
  await job.peer(0).reaches(30);
  const [at] = await Promise.all(dead.map((rank) => job.peer(rank).kill()));
  const left = Array.from({ length: peers }, (_, rank) => rank).filter((r) => !dead.includes(r));
  const recovery = await goOn(job, left, at);
  check(recovery < SOON, `the others went on after ${ms(recovery)}`);
  return `others go on after ${ms(recovery)}; ${await stage.judge(job, { writer: left[0] })}`;
}

/** All rounds in one job: a rank dies at a moment that nobody chose, and comes back. */
async function killAtRandom(stage: Stage): Promise<string> {
  const rounds = 12;
  const job = await stage.begin({ updates: 2000, pace: 10 });
  const times: number[] = [];
  let state = 7;
  const random = (below: number): number => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
  await job.peer(0).reaches(20);
  for (let round = 0; round < rounds; round++) {
    await pause(random(300));
    const rank = random(4);
    const at = await job.peer(rank).kill();
    times.push(
      await goOn(
        job,
        [0, 1, 2, 3].filter((each) => each !== rank),
        at,
      ),
    );
    job.start(rank);
    await goOn(job, [0, 1, 2, 3], at);
  }
  check(Math.max(...times) < SOON, `one took ${ms(Math.max(...times))}`);
  const [fastest, slowest] = [Math.min(...times), Math.max(...times)];
  const end = await stage.judge(job);
  return `${rounds} deaths, others go on after ${ms(fastest)} to ${ms(slowest)}; ${end}`;
}

/** A donor dies while a newcomer fetches, or just before or after. */
async function killWhileFetching(stage: Stage): Promise<string> {
  const job = await stage.begin({ updates: 800, pace: 10 });
  let delay = 150;
  const outcomes: string[] = [];
  await job.peer(0).reaches(20);
  for (const donor of [1, 0, 3]) {
    await job.peer(2).kill();
    job.start(2);
    await job.peer(2).sees(/listening on/);
    delay += 40;
    await pause(delay);
    outcomes.push(job.peer(2).has(/took over/) ? "after" : "before or while");
    const at = await job.peer(donor).kill();
    const rest = [0, 1, 2, 3].filter((rank) => rank !== donor);
    await goOn(job, rest, at);
    job.start(donor);
    await goOn(job, [0, 1, 2, 3], at);
  }
  return `donors died ${outcomes.join(", ")} fetching; ${await stage.judge(job)}`;
}

async function twoLowestOfFour(stage: Stage): Promise<string> {
  const job = await stage.begin({});
  await job.peer(0).reaches(30);
  await Promise.all([0, 1].map((rank) => job.peer(rank).kill()));
  await Promise.all([2, 3].map((rank) => job.peer(rank).sees(/saved checkpoint_suspended_/)));
  await noProgress(job, [2, 3]);
  const at = performance.now();
  job.start(1);
  job.start(0);
  const back = await goOn(job, [0, 1, 2, 3], at);
  const end = await stage.judge(job);
  return `suspended and saved; all go on ${ms(back)} after the restart; ${end}`;
}

/** For half a second nobody of these makes an update. */
export async function noProgress(job: Job, ranks: readonly number[]): Promise<void> {
  const before = ranks.map((rank) => job.peer(rank).update);
  await pause(500);
  const after = ranks.map((rank) => job.peer(rank).update);
  check(before.join() === after.join(), `ranks ${ranks} went on from ${before} to ${after}`);
}

async function otherOrder(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 3, shards: 3 });
  await job.peer(0).reaches(30);
  const at = await job.peer(1).kill();
  const recovery = await goOn(job, [0, 2], at);
  const isExact = job.isReproducible;
  return `others go on after ${ms(recovery)}; ${await stage.judge(job, { isExact })}`;
}

export const deaths: readonly Scenario[] = [
  ...[0, 1, 3].map((rank) => ({
    name: `rank ${rank} of 4 is killed and started again`,
    play: (stage: Stage) => killAndRestart(stage, rank),
  })),
  {
    name: "ranks 0 and 2 of 5 are killed at once",
    play: (stage) => killTwo(stage, 5, [0, 2]),
  },
  {
    name: "ranks 1 and 2 of 4 are killed at once: half is left, with the lowest rank",
    play: (stage) => killTwo(stage, 4, [1, 2]),
  },
  {
    name: "ranks 0 and 1 of 4 are killed at once: the other half suspends until they are back",
    play: twoLowestOfFour,
  },
  { name: "a peer of 4 is killed at a random moment, again and again", play: killAtRandom },
  { name: "a donor is killed while a newcomer fetches the state", play: killWhileFetching },
  {
    name: "rank 1 of 3 is killed: another one computes two batches, which are added in another order",
    play: otherOrder,
  },
];
