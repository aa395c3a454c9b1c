// Networks that fall apart: at most one side goes on, and the other one comes back.
import { noProgress } from "./deaths.ts";
import type { Job } from "./job.ts";
import { Network, networkObstacle } from "./network.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, type Stage } from "./stage.ts";

interface Split {
  readonly major: readonly number[];
  readonly minor: readonly number[];
  readonly flags?: readonly string[];
}

const TIMEOUT = 1;

async function fallApart(stage: Stage, { major, minor, flags }: Split): Promise<string> {
  const all = [...major, ...minor].sort();
  const network = new Network(all.length);
  try {
    const job = await stage.begin({
      ...{ peers: all.length, pace: 50, timeout: TIMEOUT, flags },
      shards: Math.min(2, major.length),
      addresses: network.addresses(),
      prefix: (rank) => network.prefix(rank),
    });
    await job.peer(0).reaches(30);
    const at = performance.now();
    network.partition(minor);
    const recovery = await goOn(job, major, at);
    check(recovery < 1000 * TIMEOUT + 1500, `the others went on after ${ms(recovery)}`);
    await Promise.all(minor.map((rank) => job.peer(rank).sees(/saved checkpoint_suspended_/, at)));
    await noProgress(job, minor);
    const healed = performance.now();
    network.heal();
    const back = await goOn(job, all, healed);
    check(onlyOneSide(job, major, minor), `both sides went on\n${job.log}`);
    const end = await stage.judge(job, { writer: all[0] });
    const times = `${major} go on after ${ms(recovery)}, all ${ms(back)} after it healed`;
    return `${times} (timeout ${TIMEOUT} s); ${end}`;
  } finally {
    await stage.clear();
    network.close();
  }
}

/** No generation has members of which one is cut off. */
function onlyOneSide(job: Job, major: readonly number[], minor: readonly number[]): boolean {
  const alone = (ranks: readonly number[]) => new RegExp(`: ranks ${ranks.join(", ")} go on`);
  return (
    major.some((rank) => job.peer(rank).has(alone(major))) &&
    minor.every((rank) => !job.peer(rank).has(alone(minor)))
  );
}

/** A link between two that both still reach the third. */
async function oneLink(stage: Stage): Promise<string> {
  const network = new Network(3);
  try {
    const job = await stage.begin({
      ...{ peers: 3, pace: 30, timeout: TIMEOUT, shards: 2 },
      addresses: network.addresses(),
      prefix: (rank) => network.prefix(rank),
    });
    await job.peer(0).reaches(30);
    const at = performance.now();
    network.block(1, 2);
    await job.peer(0).sees(/generation \d+: ranks (0, 1|0, 2) go on/, at);
    const made = await job.peer(0).makesOneMore();
    const healed = performance.now();
    network.unblock(1, 2);
    const back = await goOn(job, [0, 1, 2], healed);
    const end = await stage.judge(job);
    return `the others go on after ${ms(made.at - at)}, all ${ms(back)} after it healed; ${end}`;
  } finally {
    await stage.clear();
    network.close();
  }
}

export const partitions: readonly Scenario[] = [
  {
    name: "a network falls apart into ranks 1 and 2, and rank 0, which leads",
    obstacle: networkObstacle,
    play: (stage) => fallApart(stage, { major: [1, 2], minor: [0] }),
  },
  {
    name: "a network falls apart into ranks 0 and 2, and rank 1",
    obstacle: networkObstacle,
    play: (stage) => fallApart(stage, { major: [0, 2], minor: [1] }),
  },
  {
    name: "a network falls apart into two halves: the one with rank 0 goes on",
    obstacle: networkObstacle,
    play: (stage) => fallApart(stage, { major: [0, 3], minor: [1, 2] }),
  },
  {
    name: "two of three peers do not hear each other, but both hear rank 0",
    obstacle: networkObstacle,
    play: oneLink,
  },
];
