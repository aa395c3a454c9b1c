// Jobs that end as a whole and begin again, with fewer or more peers; and peers that come later.
import { cpSync } from "node:fs";
import { distance } from "./compare.ts";
import { freeAddresses, type Job } from "./job.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, type Stage } from "./stage.ts";

/** How a job is before it ends, and after. */
interface Sizes {
  readonly before: number;
  readonly after: number;
  /** Batches of an update. */
  readonly shards: number;
  readonly flags?: readonly string[];
}

/** The checkpoint is on rank 0's disk alone; whoever comes gets it from there. */
async function otherSize(stage: Stage, { before, after, shards, flags: own = [] }: Sizes) {
  const flags = ["--save-interval-updates", "20", ...own];
  const updates = 150;
  // How many batches make an update is not said again: it is in the checkpoint.
  const first = await stage.begin({ peers: before, shards, updates, flags });
  await first.peer(0).reaches(70);
  await Promise.all(first.living.map((peer) => peer.kill()));
  const second = await stage.prepare({ peers: after, shards: undefined, updates, flags });
  cpSync(first.folderOf(0), second.folderOf(0), { recursive: true });
  for (let rank = 0; rank < after; rank++) second.start(rank);
  const said = await second.peer(0).sees(/continuing from/);
  await second.peer(1).sees(/took over the other peers' state/);
  await second.finish();
  const reference = await stage.begin({ peers: shards, shards, updates, flags, pace: 0 });
  await reference.finish();
  return (
    `${said.text.replace(/^.*: epoch/, "from epoch")}; ` +
    sameEnd(stage, reference, second, isExact(second, shards))
  );
}

/** Updates of three batches cannot begin after 25 updates of two. */
async function contradicted(stage: Stage): Promise<string> {
  const first = await stage.begin({ peers: 2, shards: 2, updates: 25 });
  await first.finish();
  const second = await stage.prepare({ peers: 3, shards: 3, updates: 40 });
  cpSync(first.folderOf(0), second.folderOf(0), { recursive: true });
  for (const rank of [0, 1, 2]) second.start(rank);
  for (const peer of second.processes) {
    check((await peer.end()) === 2, second.log);
    const error = /^weft: .*--batch-shards 3: the checkpoint's updates are made of 2 batches, 50/;
    check(peer.has(error) && peer.has(/give --batch-shards 2, or leave/), second.log);
  }
  return "all say so, and what to give instead";
}

const isExact = (job: Job, shards: number): boolean =>
  job.isReproducible || shards <= job.options.peers;

function sameEnd(stage: Stage, a: Job, b: Job, isExact: boolean): string {
  const { tensors } = distance(a.folderOf(0), b.folderOf(0));
  check(tensors <= (isExact ? 0 : 0.02), `the end differs by ${tensors}\n${stage.log}`);
  return tensors === 0 ? "tensors equal to the bit" : `equal but for ${tensors.toExponential(0)}`;
}

async function lateJoiner(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 3 });
  const [place] = await freeAddresses(1);
  await job.peer(0).reaches(30);
  const at = performance.now();
  job.start(3, { addresses: [...job.addresses, place], flags: ["--join"] });
  const joined = await goOn(job, [0, 1, 2, 3], at);
  await job.peer(3).makesOneMore();
  const gone = await job.peer(1).kill();
  const rest = await goOn(job, [0, 2, 3], gone);
  const end = await stage.judge(job);
  return `it trains ${ms(joined)} after its start; after another death three go on in ${ms(rest)}; ${end}`;
}

export const restarts: readonly Scenario[] = [
  {
    name: "a job of 3 is killed and begins again with 2 peers",
    play: (stage) => otherSize(stage, { before: 3, after: 2, shards: 2 }),
  },
  {
    name: "a job of 2 is killed and begins again with 4 peers",
    play: (stage) => otherSize(stage, { before: 2, after: 4, shards: 2 }),
  },
  {
    name: "a job of 3 with --reproducible is killed and begins again with 2 peers",
    play: (stage) =>
      otherSize(stage, { before: 3, after: 2, shards: 3, flags: ["--reproducible"] }),
  },
  {
    name: "a job of 2 begins again with a --batch-shards that its checkpoint contradicts",
    play: contradicted,
  },
  { name: "rank 3 joins a cluster of 3 at work", play: lateJoiner },
];
