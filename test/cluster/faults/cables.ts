// What comes over the network that no peer has sent.
import { connect, type Socket } from "node:net";
import { FlippingProxy } from "./flipping_proxy.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, pause, type Stage } from "./stage.ts";

async function flip(stage: Stage, direction: "toTarget" | "fromTarget"): Promise<string> {
  const job = await stage.prepare({ peers: 3 });
  const proxy = await FlippingProxy.open(job.addresses[0]);
  try {
    job.start(0);
    // Peers of one machine would not send gradients, but read them.
    const flags = ["--sockets", "libc"];
    job.start(1, { addresses: [proxy.address, ...job.addresses.slice(1)], flags });
    job.start(2);
    await job.peer(0).reaches(30);
    const at = performance.now();
    proxy.spoil(direction);
    const [finder, other] = direction === "toTarget" ? [0, 1] : [1, 0];
    const lost = await job.peer(finder).sees(new RegExp(`lost rank ${other}`), at);
    const back = await goOn(job, [0, 1, 2], at);
    const end = await stage.judge(job);
    const [, reason] = /lost rank \d: (.*)/.exec(lost.text) ?? [];
    check(/damaged|greeting|frame|flags|type|header/.test(reason), `it was lost for ${reason}`);
    return `"${reason}"; all three go on ${ms(back)} later; ${end}`;
  } finally {
    proxy.close();
  }
}

/** Callers that say nothing, or nonsense, or a beginning. */
async function flood(stage: Stage): Promise<string> {
  const job = await stage.begin({ peers: 3, timeout: 2 });
  const [host, port] = job.addresses[0].split(":");
  const beginnings = [
    new Uint8Array(0),
    new Uint8Array([0, 0, 16, 0, 0, 0, 2, 0, 0x81]),
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    new Uint8Array(3000).fill(255),
  ];
  await job.peer(0).reaches(20);
  const callers: Socket[] = [];
  let gone = 0;
  const before = job.peer(0).update;
  for (let wave = 0; wave < 10; wave++) {
    for (let i = 0; i < 100; i++) {
      const caller = connect(Number(port), host);
      caller.on("connect", () => caller.write(beginnings[i % beginnings.length]));
      caller.on("error", () => undefined);
      caller.on("close", () => gone++);
      callers.push(caller);
    }
    await pause(50);
  }
  await job.peer(0).makesOneMore();
  const during = job.peer(0).update - before;
  const end = await stage.judge(job);
  check(!job.peer(0).has(/generation 2/), `a member was lost\n${job.log}`);
  const turnedOut = gone;
  for (const caller of callers) caller.destroy();
  return `${callers.length} callers while ${during} updates are made, ${turnedOut} turned out; ${end}`;
}

export const cables: readonly Scenario[] = [
  {
    name: "a bit is turned over on its way from rank 1 to rank 0",
    play: (stage) => flip(stage, "toTarget"),
  },
  {
    name: "a bit is turned over on its way from rank 0 to rank 1",
    play: (stage) => flip(stage, "fromTarget"),
  },
  { name: "1000 callers come to rank 0's port while it trains", play: flood },
];
