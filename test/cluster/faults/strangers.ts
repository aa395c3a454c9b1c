// Processes that cannot be peers of each other: each says why, of whom, and what to do.
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { issueAuthority } from "../../../cluster/certificates/issue.ts";
import { days, identityOf } from "../transport/identities.ts";
import { freeAddresses, type Job, type PeerOptions } from "./job.ts";
import { greet, impostorAt } from "./raw_peer.ts";
import type { Scenario } from "./scenario.ts";
import { check, ms, pause, type Stage } from "./stage.ts";
import { makeToyData } from "./toy_data.ts";

/** Exit code of a mistake that the user has to mend. */
const EXPECTED = 2;

/** Exit code of a failure that may be gone the next time. */
const TEMPORARY = 75;

const foreign = issueAuthority("others", days(-2, 2));

/** The last line of each peer's log, if it is the error that a user sees. */
async function errorsOf(
  job: Job,
  ranks: readonly number[],
  expected = EXPECTED,
): Promise<string[]> {
  return await Promise.all(
    ranks.map(async (rank) => {
      const peer = job.peer(rank);
      const code = await peer.end();
      check(code === expected, `rank ${rank} ended with ${code}, not ${expected}\n${peer.log}`);
      const lines = peer.lines.map(({ text }) => text);
      const first = lines.findLastIndex((text) => !text.startsWith(" "));
      check(!/ {4}at /.test(lines.join("\n")), `rank ${rank} shows a stack\n${peer.log}`);
      return lines.slice(first).join(" ");
    }),
  );
}

/** Ranks 0 and 1 wait for rank 2, and know each other: whoever came to nobody would only wait. */
async function startTwo(job: Job): Promise<void> {
  for (const rank of [0, 1]) job.start(rank);
  await Promise.all([0, 1].map((rank) => job.peer(rank).sees(/starting from the seed/)));
  await pause(1500);
}

/** Rank 2 of three is started differently: all end, all name it and what differs. */
async function differs(stage: Stage, peer: PeerOptions, words: string): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  const begun = performance.now();
  await startTwo(job);
  job.start(2, peer);
  const errors = await errorsOf(job, [0, 1, 2]);
  const seconds = performance.now() - begun;
  for (const [rank, error] of errors.entries()) {
    const names = rank === 2 ? /rank [01]/ : /rank 2/;
    check(error.includes(words) && names.test(error), `rank ${rank} says: ${error}\n${job.log}`);
  }
  return `all end after ${ms(seconds)}: ${errors[0]}`;
}

async function otherVersion(stage: Stage): Promise<string> {
  const job = await stage.prepare({ peers: 2 });
  const close = await impostorAt(job.addresses[0], (hello) => ({
    ...hello,
    self: { ...hello.self, rank: 0 },
    agreement: { ...hello.agreement, "version of weft": "9.9.9" },
  }));
  try {
    job.start(1);
    const [error] = await errorsOf(job, [1]);
    check(/rank 0 .*version of weft is 9\.9\.9/.test(error), error);
    return error;
  } finally {
    close();
  }
}

/** Of a cluster at work the one that calls is told, and nobody else is disturbed. */
async function strangersCall(stage: Stage): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  const [place] = await freeAddresses(1);
  const addresses = [place, ...job.addresses.slice(1)];
  const greetings = Promise.withResolvers<Parameters<typeof greet>[1]>();
  const close = await impostorAt(place, (hello) => {
    greetings.resolve(hello);
    return { t: "refuse", reason: "not yet", fatal: false };
  });
  job.start(1, { addresses });
  const hello = await greetings.promise;
  close();
  await job.peer(1).kill();
  for (const rank of [0, 1, 2]) job.start(rank);
  await job.peer(0).reaches(20);
  const self = { ...hello.self, rank: 3, incarnation: 5, port: 1 };
  const answers = [];
  for (const different of [
    { protocol: hello.protocol + 1 },
    { job: "another" },
    { agreement: { ...hello.agreement, "training data": "0" } },
    { clock: hello.clock + 86_400_000 },
    { self: { ...self, rank: 1 } },
  ]) {
    const answer = await greet(job.addresses[0], { ...hello, self, joining: true, ...different });
    check(answer.t === "refuse", `it answered ${answer.t}`);
    answers.push(answer.reason);
  }
  const end = await stage.judge(job);
  check(!job.peer(0).has(/generation 2/), `a member was lost\n${job.log}`);
  return `${answers.join(" / ")}; ${end}`;
}

/** Its twin cannot know at once whether the other one is dead: it is told when that is sure. */
async function duplicate(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 2, timeout: 0.5 });
  const [place] = await freeAddresses(1);
  await job.peer(0).reaches(20);
  const begun = performance.now();
  job.start(1, { addresses: [job.addresses[0], place] });
  const [error] = await errorsOf(job, [1]);
  const seconds = performance.now() - begun;
  check(/rank 1 is already here, from .*; +end that process/.test(error), error);
  const end = await stage.judge(job);
  check(!job.peer(0).has(/generation 2/), `a member was lost\n${job.log}`);
  return `it ends after ${ms(seconds)}: ${error}; the others are not disturbed: ${end}`;
}

/** Two wait for rank 2, which fails before it has joined them: they end, and say of whom and why. */
async function endsEarly(stage: Stage, peer: PeerOptions, words: string): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  await startTwo(job);
  job.start(2, peer);
  const errors = await errorsOf(job, [0, 1, 2]);
  for (const [rank, error] of errors.entries()) {
    check(error.includes(words), `rank ${rank} says: ${error}\n${job.log}`);
    check(rank === 2 || error.includes("rank 2 has failed"), `rank ${rank} says: ${error}`);
  }
  return errors[0];
}

async function portOfTwoInUse(stage: Stage): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  await startTwo(job);
  const [host, port] = job.addresses[2].split(":");
  const server = createServer().listen(Number(port), host);
  try {
    job.start(2);
    const errors = await errorsOf(job, [0, 1, 2]);
    const words = "another process listens there already";
    for (const error of errors) check(error.includes(words), `${error}\n${job.log}`);
    return errors[0];
  } finally {
    server.close();
  }
}

type Odd = Parameters<typeof identityOf>[1] & { readonly ca?: string };

/** Rank 2 of three has a certificate that is no good: each of them says so, and of whom. */
async function certificate(stage: Stage, odd: Odd): Promise<string> {
  const folder = stage.newFolder("certificates");
  return await unproven(stage, /certificate/, (rank) => {
    const of: Odd = rank === 2 ? odd : {};
    const identity = { ...identityOf(`rank${rank}`, of), ...(of.ca ? { ca: of.ca } : {}) };
    return Object.entries(identity).flatMap(([kind, text]) => {
      const path = join(folder, `${rank}-${kind}.pem`);
      writeFileSync(path, text);
      return [`--tls-${kind}`, path];
    });
  });
}

async function secret(stage: Stage): Promise<string> {
  const folder = stage.newFolder("secrets");
  return await unproven(stage, /secret/, (rank) => {
    const path = join(folder, `${rank}`);
    writeFileSync(path, (rank === 2 ? "0123456789abcdef" : "fedcba9876543210").repeat(2));
    return ["--cluster-secret-file", path];
  });
}

/** Rank 2 of three proves itself otherwise than the others expect. */
async function unproven(
  stage: Stage,
  words: RegExp,
  flagsOf: (rank: number) => readonly string[],
): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  for (const rank of [0, 1]) job.start(rank, { flags: flagsOf(rank) });
  await Promise.all([0, 1].map((rank) => job.peer(rank).sees(/starting from the seed/)));
  await pause(1500);
  job.start(2, { flags: flagsOf(2) });
  const errors = await errorsOf(job, [0, 1, 2]);
  for (const error of errors) check(words.test(error), `${error}\n${job.log}`);
  return errors.join(" / ");
}

async function portInUse(stage: Stage): Promise<string> {
  const job = await stage.prepare({ peers: 2 });
  const [host, port] = job.addresses[0].split(":");
  const server = createServer().listen(Number(port), host);
  try {
    job.start(0);
    const [error] = await errorsOf(job, [0]);
    check(error.includes(`${job.addresses[0]}: another process listens there already`), error);
    return error;
  } finally {
    server.close();
  }
}

async function unreachable(stage: Stage): Promise<string> {
  const job = await stage.prepare({ peers: 2, flags: ["--start-timeout", "7"] });
  job.start(0);
  const said = await job.peer(0).sees(/waiting for rank 1/);
  const [error] = await errorsOf(job, [0], TEMPORARY);
  check(/nobody listens there/.test(said.text), said.text);
  check(/within 7 s, waiting for rank 1 \(127\S+: nobody listens there/.test(error), error);
  return `${said.text.replace(/^.*train \| /, "")}; then: ${error}`;
}

export const strangers: readonly Scenario[] = [
  {
    name: "rank 2 of 3 is given another --update-freq",
    play: (stage) => differs(stage, { flags: ["--update-freq", "3"] }, "--update-freq is [3"),
  },
  {
    name: "rank 2 of 3 is given another model",
    play: (stage) =>
      differs(stage, { flags: ["--encoder-ffn-embed-dim", "64"] }, "--encoder-ffn-embed-dim is 64"),
  },
  {
    name: "rank 2 of 3 is given other data",
    play: (stage) =>
      differs(
        stage,
        { data: makeToyData(join(stage.newFolder("other"), "data"), 1000) },
        "training data is ",
      ),
  },
  {
    name: "rank 2 of 3 counts four peers",
    play: async (stage) => {
      const [fourth] = await freeAddresses(1);
      const job = await stage.prepare({ peers: 3 });
      const addresses = [...job.addresses, fourth];
      await startTwo(job);
      job.start(2, { addresses });
      const errors = await errorsOf(job, [0, 1, 2]);
      for (const error of errors) check(/counts [34] peers, not [34]/.test(error), error);
      return errors.join(" / ");
    },
  },
  { name: "rank 0 is of another version", play: otherVersion },
  { name: "strangers call a cluster at work", play: strangersCall },
  { name: "a second process is given rank 1", play: duplicate },
  { name: "another process has rank 0's port", play: portInUse },
  {
    name: "rank 2 of 3 has no data",
    play: (stage) =>
      endsEarly(stage, { data: stage.newFolder("empty") }, "languages are not known"),
  },
  {
    name: "rank 2 of 3 has no such device",
    play: (stage) => endsEarly(stage, { flags: ["--device", "webgpu:nothing"] }, "webgpu"),
  },
  { name: "another process has the port of rank 2 of 3", play: portOfTwoInUse },
  {
    name: "rank 2 of 3 has a certificate of another authority",
    play: (stage) => certificate(stage, { by: foreign }),
  },
  {
    name: "rank 2 of 3 believes another authority alone",
    play: (stage) => certificate(stage, { by: foreign, ca: foreign.cert }),
  },
  {
    name: "rank 2 of 3 has a certificate that has expired",
    play: (stage) => certificate(stage, { period: days(-2, -1) }),
  },
  { name: "rank 2 of 3 knows another secret", play: secret },
  { name: "rank 1 is never started", play: unreachable },
];
