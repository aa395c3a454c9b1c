// The recipe under a real Slurm, which trains: two peers on two nodes, of which one is killed, or which are
// taken away and come back.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import { addressText } from "../../../cluster/transport/address_text.ts";
import { filesIn, stateOf } from "../../end_to_end/run_folder.ts";
import { cpu, RunningWeft, shellCommand, tinyModel, words } from "../../end_to_end/weft_process.ts";
import { goldenPath } from "../../support/golden.ts";
import { until } from "./daemon.ts";
import { noSlurm, SlurmCluster } from "./slurm_cluster.ts";

const recipe = resolve(import.meta.dirname, "../../../recipes/cluster/slurm.sbatch");

/** Names that are addresses of this machine, a port of which each node has for itself. */
const NODES = ["127.0.0.2", "127.0.0.3"];

const UPDATES = 300;

/** 25 batches: an epoch of 13 updates, after each of which there is a checkpoint. */
const training = [
  ...[goldenPath("training/runs/data-bin"), ...cpu, ...tinyModel, "--log-format", "json"],
  ...words("--max-tokens 800 --dropout 0.1 --lr 1e-3 --clip-norm 1 --log-interval 10"),
  ...words(`--no-epoch-checkpoints --disable-validation --max-update ${UPDATES}`),
];

let slurm: SlurmCluster | undefined;
let alone: { readonly run: RunningWeft; readonly saveDir: string } | undefined;

function cluster(): SlurmCluster {
  if (!slurm) throw new Error("Slurm was not started");
  return slurm;
}

interface State {
  readonly record: object;
  readonly tensors: object;
}

/** A job of the recipe's: two tasks, each on a node of its own. */
class Job {
  private constructor(
    readonly number: number,
    readonly saveDir: string,
  ) {}

  static async submit(name: string, args: readonly string[], env: Record<string, string> = {}) {
    const saveDir = join(cluster().folder, name);
    const number = await cluster().submit(recipe, [...training, ...args, "--save-dir", saveDir], {
      options: ["--nodes=2"],
      env: { WEFT: join(cluster().folder, "weft"), ...env },
    });
    return new Job(number, saveDir);
  }

  get log(): string {
    return cluster().log(this.number);
  }

  /** What its tasks share. */
  get shared(): string {
    return join(cluster().folder, `weft-job-${this.number}`);
  }

  /** Of a turn, counted from 1. */
  logOf(turn: number): string {
    return this.log.split(/^(?=turn \d+ of job)/m)[turn - 1] ?? "";
  }

  async trains(): Promise<void> {
    const seen = () => /"num_updates": "\d+"/.test(this.log) || undefined;
    await until(() => `job ${this.number} trains\n${this.log}`, seen, 60);
  }

  async ends(state: string): Promise<void> {
    await cluster().waitFor(this.number, state, 100);
  }

  async expectBitsOfOneProcess(): Promise<void> {
    expect(await alone?.run.end()).toBe(0);
    expect(filesIn(this.saveDir)).toEqual(["checkpoint_last.safetensors"]);
    const { record, tensors } = stateOf(alone?.saveDir ?? "") as State;
    // Of which two peers count half as many batches.
    const iterator = expect.objectContaining({ num_shards: 2 });
    expect(stateOf(this.saveDir)).toEqual({ record: { ...record, iterator }, tensors });
  }
}

/** A script that runs a command to write down its environment. @returns the file. */
function asks(name: string, command: string, file: string): string {
  const script = join(cluster().folder, name);
  writeFileSync(script, `#!/bin/sh\n${command} sh -c 'env -0 >${file}'\n`);
  return script;
}

function environmentIn(file: string): Record<string, string> {
  const pairs = readFileSync(file, "utf8").split("\0");
  return Object.fromEntries(
    pairs.filter((pair) => pair.includes("=")).map((pair) => pair.split(/=(.*)/s).slice(0, 2)),
  );
}

// Most of the time is spent waiting for Slurm, so all jobs are there at once.
const slurmTest = noSlurm === undefined ? test.concurrent : test.skip;
const title = (text: string): string => (noSlurm === undefined ? text : `${text} (${noSlurm})`);

if (noSlurm === undefined) {
  beforeAll(async () => {
    slurm = await SlurmCluster.start({ nodes: NODES, cpus: 8 });
    const quoted = shellCommand([]).map((word) => `'${word}'`);
    const script = `#!/bin/sh\nexec ${quoted.join(" ")} "$@"\n`;
    writeFileSync(join(slurm.folder, "weft"), script, { mode: 0o755 });
    const saveDir = join(slurm.folder, "alone");
    const args = ["train", ...training, ...words("--update-freq 2"), "--save-dir", saveDir];
    alone = { run: new RunningWeft(args), saveDir };
  });
  afterAll(() => slurm?.stop());
}

/** What makes the result the same whoever computes what, and soon notices a death. */
const exact = words("--wire f32 --reproducible --peer-timeout 1");

slurmTest(
  title(
    "when a task is killed the other one goes on, and the job ends with the bits of one process",
  ),
  async () => {
    const job = await Job.submit("killed", exact);
    await job.trains();
    expect(statSync(join(job.shared, "secret")).mode & 0o777).toBe(0o600);
    const [leader] = await cluster().taskPids(job.number, NODES[0]);
    process.kill(leader, "SIGKILL");
    await job.ends("COMPLETED");

    const port = 10000 + (job.number % 1000) * 20;
    for (const [rank, node] of NODES.entries()) {
      expect(job.log).toContain(
        `rank ${rank} of 2 by Slurm: listening on ${node}:${port}, peers know a secret`,
      );
    }
    const [, after] = /generation 2: ranks 1 go on after update (\d+)/.exec(job.logOf(1)) ?? [];
    expect(Number(after)).toBeGreaterThan(0);
    expect(Number(after)).toBeLessThan(UPDATES);
    expect(job.logOf(1)).toContain(`done training after ${UPDATES} updates`);
    expect(job.logOf(1)).toContain("turn 1 ended with exit code 137; the next one continues");
    expect(job.logOf(2)).toContain(`checkpoint_last.safetensors: epoch 24, ${UPDATES} updates`);
    expect(existsSync(job.shared)).toBe(false);
    await job.expectBitsOfOneProcess();
  },
  120_000,
);

slurmTest(
  title("a job that is requeued in the middle continues, and ends with the bits of one process"),
  async () => {
    const job = await Job.submit("requeued", exact);
    await job.trains();
    const { code, stderr } = await cluster().run("scontrol", ["requeue", `${job.number}`]);
    expect([code, stderr]).toEqual([0, ""]);
    await job.ends("COMPLETED");

    expect((await cluster().show(job.number)).get("Restarts")).toBe("1");
    const continued = /continuing from .*: epoch \d+, (\d+) updates/g;
    const updates = [...job.logOf(2).matchAll(continued)].map(([, count]) => Number(count));
    expect(updates).toHaveLength(2);
    for (const count of updates) expect(count).toBeLessThan(UPDATES);
    expect(job.logOf(2)).toContain(`done training after ${UPDATES} updates`);
    await job.expectBitsOfOneProcess();
  },
  120_000,
);

slurmTest(
  title("a mistake ends the job; peers that do not come are waited for again, but not for ever"),
  async () => {
    const [wrong, awaiting] = await Promise.all([
      Job.submit("wrong", ["--no-such-flag"]),
      Job.submit(
        "awaiting",
        [
          ...["--rendezvous", `file://${cluster().folder}/meeting`],
          ...words("--world-size 3 --start-timeout 1"),
        ],
        { WEFT_TURNS: "2" },
      ),
    ]);
    await wrong.ends("FAILED");
    expect(wrong.log).toContain("weft was called wrongly");
    expect([wrong.logOf(2), existsSync(wrong.shared)]).toEqual(["", false]);

    await awaiting.ends("FAILED");
    expect(awaiting.logOf(1)).toContain("of 3 peers");
    expect(awaiting.logOf(1)).toContain("turn 1 ended with exit code 75; the next one continues");
    expect(awaiting.logOf(2)).toContain(
      "turn 2 ended with exit code 75, and there have been enough",
    );
    expect([awaiting.logOf(3), existsSync(awaiting.shared)]).toEqual(["", false]);
  },
  120_000,
);

slurmTest(
  title("tasks that Slurm has started know who they are and where the others are"),
  async () => {
    const file = (rank: number | string): string => join(cluster().folder, `task-${rank}`);
    const script = asks("tasks.sh", "srun", file("$SLURM_PROCID"));
    const options = ["--ntasks=3", "--nodes=2", "--distribution=cyclic"];
    const job = await cluster().submit(script, [], { options });
    await cluster().waitFor(job, "COMPLETED");
    const worlds = [0, 1, 2].map((rank) => resolveWorld(environmentIn(file(rank)), {}));
    expect(worlds.map((world) => world?.rank)).toEqual([0, 1, 2]);
    expect(worlds.map((world) => world?.localRank)).toEqual([0, 0, 1]);
    for (const world of worlds) {
      expect(world).toMatchObject({ source: "Slurm", size: 3, job: `slurm-${job}.0` });
      const { meeting } = world ?? {};
      expect(meeting?.kind === "static" && meeting.addresses.map(addressText)).toEqual([
        ...[`${NODES[0]}:29400`, `${NODES[1]}:29400`, `${NODES[0]}:29401`],
      ]);
    }
  },
  60_000,
);

slurmTest(
  title("a batch script and salloc's shell are no peers"),
  async () => {
    const file = (name: string): string => join(cluster().folder, `no-peer-${name}`);
    const script = asks("batch.sh", "", file("batch"));
    const job = await cluster().submit(script, [], { options: ["--ntasks=2"] });
    await cluster().waitFor(job, "COMPLETED");
    const batch = environmentIn(file("batch"));
    expect(batch).toMatchObject({ SLURM_PROCID: "0", SLURM_NTASKS: "2" });
    expect(resolveWorld(batch, {})).toBeUndefined();
    const shell = ["--ntasks=2", "sh", "-c", `env -0 >${file("shell")}`];
    expect((await cluster().run("salloc", shell)).code).toBe(0);
    expect(resolveWorld(environmentIn(file("shell")), {})).toBeUndefined();
  },
  60_000,
);
