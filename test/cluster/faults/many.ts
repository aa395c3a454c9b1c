// Many faults in one training.
import { FlippingProxy } from "./flipping_proxy.ts";
import type { Scenario } from "./scenario.ts";
import { check, goOn, ms, type Stage } from "./stage.ts";

async function manyFaults(stage: Stage): Promise<string> {
  const job = await stage.prepare({ timeout: 1 });
  const proxy = await FlippingProxy.open(job.addresses[0]);
  const all = [0, 1, 2, 3];
  // Peers of one machine would not send gradients, but read them.
  const flags = ["--sockets", "libc"];
  const behindProxy = { addresses: [proxy.address, ...job.addresses.slice(1)], flags };
  const without = (rank: number) => all.filter((each) => each !== rank);
  try {
    for (const rank of all) {
      job.start(rank, rank === 1 ? behindProxy : {});
    }
    await job.peer(0).reaches(10);
    const spoiled = performance.now();
    proxy.spoil("toTarget");
    await job.peer(0).sees(/lost rank 1: a damaged frame/, spoiled);
    await goOn(job, all, spoiled);

    const killed = await job.peer(0).kill();
    const dead = await goOn(job, without(0), killed);
    const again = performance.now();
    job.start(0);
    await goOn(job, all, again);

    const stopped = performance.now();
    job.peer(2).signal("SIGSTOP");
    const silent = await goOn(job, without(2), stopped);
    const awake = performance.now();
    job.peer(2).signal("SIGCONT");
    await goOn(job, all, awake);

    const [both] = await Promise.all([1, 2].map((rank) => job.peer(rank).kill()));
    const half = await goOn(job, [0, 3], both);
    check(Math.max(dead, half) < 5000, `they went on after ${ms(dead)} and ${ms(half)}`);
    check(silent < 3000, `they went on after ${ms(silent)}`);
    const times = `after a death ${ms(dead)}, after two ${ms(half)}, after silence ${ms(silent)}`;
    return `${times}; ${await stage.judge(job)}`;
  } finally {
    proxy.close();
  }
}

export const many: Scenario = {
  name: "a bit is turned over, a peer dies and comes back, one is silent for a while, two die at once",
  play: manyFaults,
};
