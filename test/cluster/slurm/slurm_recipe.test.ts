// The recipe under a real Slurm, with a stand-in for weft that writes down its environment.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import { addressText } from "../../../cluster/transport/address_text.ts";
import { noSlurm, SlurmCluster } from "./slurm_cluster.ts";

const recipe = resolve(import.meta.dirname, "../../../recipes/cluster/slurm.sbatch");
const weft = join(import.meta.dirname, "fake_weft.sh");

let slurm: SlurmCluster | undefined;
let count = 0;

function cluster(): SlurmCluster {
  if (!slurm) throw new Error("Slurm was not started");
  return slurm;
}

/** A folder in which a job's tasks find how to end, and leave their environments. */
class Plans {
  readonly folder = join(cluster().folder, `plans-${++count}`);

  constructor() {
    mkdirSync(this.folder);
  }

  exit(rank: number, turn: number, code: number): void {
    writeFileSync(join(this.folder, `exit.${rank}.${turn}`), String(code));
  }

  environment(rank: number, turn = 1): Record<string, string> {
    const text = readFileSync(join(this.folder, `environment.${rank}.${turn}`), "utf8");
    const pairs = text.split("\0").filter((pair) => pair.includes("="));
    return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
  }

  submit(...options: string[]): Promise<number> {
    const env = { WEFT: weft, PLANS: this.folder };
    return cluster().submit(recipe, ["data-bin", "--max-update", "9"], { options, env });
  }
}

const title = (text: string): string => (noSlurm === undefined ? text : `${text} (${noSlurm})`);
const slurmTest = noSlurm === undefined ? test : test.skip;

if (noSlurm === undefined) {
  beforeAll(async () => {
    slurm = await SlurmCluster.start({ nodes: ["node1", "node2"], cpus: 8 });
  });
  afterAll(() => slurm?.stop());
}

slurmTest(
  title("tasks that Slurm has started know who they are and where the others are"),
  async () => {
    const plans = new Plans();
    const job = await plans.submit("--ntasks=3", "--nodes=2", "--distribution=cyclic");
    await cluster().waitFor(job, "COMPLETED");
    const worlds = [0, 1, 2].map((rank) => resolveWorld(plans.environment(rank), {}));
    expect(worlds.map((world) => world?.rank)).toEqual([0, 1, 2]);
    expect(worlds.map((world) => world?.localRank)).toEqual([0, 0, 1]);
    for (const world of worlds) {
      expect(world).toMatchObject({ source: "Slurm", size: 3, job: `slurm-${job}.0` });
      const { meeting } = world ?? {};
      expect(meeting?.kind === "static" && meeting.addresses.map(addressText)).toEqual([
        ...["node1:29400", "node2:29400", "node1:29401"],
      ]);
    }
    expect(cluster().log(job)).toContain("task 2 of turn 1: train --fence file:");
    expect(cluster().log(job)).toMatch(/ data-bin --max-update 9$/m);
  },
);

slurmTest(
  title("a job that is not done gets another turn, unless weft refuses or there were enough"),
  async () => {
    const [unlucky, wrong, endless] = [new Plans(), new Plans(), new Plans()];
    unlucky.exit(1, 1, 137);
    wrong.exit(0, 1, 2);
    for (const turn of [1, 2]) endless.exit(0, turn, 1);
    const [again, refused, tried] = await Promise.all([
      unlucky.submit(),
      wrong.submit(),
      endless.submit("--export=ALL,WEFT_TURNS=2"),
    ]);

    await cluster().waitFor(again, "COMPLETED");
    const log = cluster().log(again);
    expect(log).toContain("turn 1 ended with exit code 137; the next one continues");
    // The other task of the first turn was not disturbed.
    expect(log).toContain("task 0 of turn 1");
    expect(log.slice(log.indexOf("turn 2 of job"))).toContain("task 1 of turn 2");
    // A task that outlived its turn would be of another job.
    const [first, second] = [1, 2].map((turn) => resolveWorld(unlucky.environment(0, turn), {}));
    expect([first?.job, second?.job]).toEqual([
      ...[`slurm-${again}.0`, `slurm-${again}.0-restart-1`],
    ]);

    await cluster().waitFor(refused, "FAILED");
    expect(cluster().log(refused)).toContain("weft was called wrongly");
    await cluster().waitFor(tried, "FAILED");
    const last = "turn 2 ended with exit code 1, and there have been enough";
    expect(cluster().log(tried)).toContain(last);
    expect(existsSync(join(endless.folder, "environment.0.3"))).toBe(false);
  },
);

slurmTest(title("a batch script and salloc's shell are no peers"), async () => {
  const plans = new Plans();
  const script = join(plans.folder, "batch.sh");
  writeFileSync(script, `#!/bin/sh\nenv -0 >${plans.folder}/environment.0.1\n`);
  await cluster().waitFor(
    await cluster().submit(script, [], { options: ["--ntasks=2"] }),
    "COMPLETED",
  );
  expect(plans.environment(0)).toMatchObject({ SLURM_PROCID: "0", SLURM_NTASKS: "2" });
  expect(resolveWorld(plans.environment(0), {})).toBeUndefined();
  const shell = ["--ntasks=2", "sh", "-c", `env -0 >${plans.folder}/environment.1.1`];
  expect((await cluster().run("salloc", shell)).code).toBe(0);
  expect(resolveWorld(plans.environment(1), {})).toBeUndefined();
});
