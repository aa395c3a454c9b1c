// A real Slurm on this machine: munged, slurmctld and a slurmd for each node, in a temporary folder. They
// end with the test, or when the test's process is gone.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { freePort } from "../rendezvous/peers.ts";
import { Daemon, until } from "./daemon.ts";
import { mungeSocket, type SlurmSettings, slurmConf } from "./slurm_conf.ts";

const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/bin"];

const hasProgram = (name: string): boolean =>
  FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why tests with a real Slurm cannot run here; undefined if they can. */
export const noSlurm: string | undefined =
  process.getuid?.() !== 0
    ? "Slurm's daemons need root"
    : ["munged", "slurmctld", "slurmd", "srun"].every(hasProgram)
      ? undefined
      : "needs Slurm: test/install-slurm.sh";

/** How a command of Slurm's ended. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class SlurmCluster {
  private readonly daemons: Daemon[] = [];

  private constructor(
    /** Temporary, for whatever the test needs; jobs are submitted from there. */
    readonly folder: string,
    /** With it, Slurm's commands speak to this cluster. */
    readonly env: Readonly<Record<string, string | undefined>>,
  ) {}

  /** Starts the daemons and waits until all nodes take jobs. Unless told, tasks resolve the node's name. */
  static async start(settings: Partial<SlurmSettings> = {}): Promise<SlurmCluster> {
    const { nodes = ["localhost"], cpus = 4 } = settings;
    const folder = mkdtempSync(join(tmpdir(), "weft-slurm-"));
    const conf = join(folder, "slurm.conf");
    const cluster = new SlurmCluster(folder, {
      // The job's variables of a surrounding Slurm are not this one's.
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^SLURM/.test(name))),
      PATH: FOLDERS.join(delimiter),
      SLURM_CONF: conf,
    });
    try {
      mkdirSync(join(folder, "state"));
      const ports = { controller: await freePort(), nodes: await freePorts(nodes.length) };
      writeFileSync(conf, slurmConf(folder, { nodes, cpus }, ports));
      await cluster.startDaemons(nodes);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private async startDaemons(nodes: readonly string[]): Promise<void> {
    const key = join(this.folder, "munge.key");
    writeFileSync(key, randomBytes(1024), { mode: 0o400 });
    const within = (name: string): string => join(this.folder, name);
    this.daemon([
      ...["munged", "--foreground", "--force", `--key-file=${key}`],
      ...[`--socket=${mungeSocket(this.folder)}`, `--pid-file=${within("munged.pid")}`],
      ...[`--seed-file=${within("munge.seed")}`, `--log-file=${within("munged.log")}`],
    ]);
    const authenticates = async () =>
      (await this.run("munge", ["-n", "-S", mungeSocket(this.folder)])).code === 0 || undefined;
    await until(() => `munge works\n${this.logs}`, authenticates);
    this.daemon(["slurmctld", "-D", "-c"]);
    for (const node of nodes) this.daemon(["slurmd", "-D", "-N", node]);
    const idle = async () => {
      const { stdout } = await this.run("sinfo", ["--noheader", "--Node", "--format=%t"]);
      const states = stdout.split("\n").filter((state) => state !== "");
      return states.filter((state) => state === "idle").length === nodes.length || undefined;
    };
    await until(() => `all nodes are idle\n${this.logs}`, idle);
  }

  private daemon(command: readonly string[]): void {
    this.daemons.push(new Daemon(command, this.env));
  }

  private get logs(): string {
    return this.daemons.map(({ log }) => log).join("\n");
  }

  /** Runs a command of Slurm's to its end. */
  run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return new Promise<Outcome>((resolve) => {
      const options = { env: { ...this.env, ...env }, cwd: this.folder, timeout: 60_000 };
      execFile(program, args, options, (error, stdout, stderr) => {
        const code = error ? (typeof error.code === "number" ? error.code : 1) : 0;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /**
   * sbatch. What the job prints is in `log`.
   *
   * @param options of sbatch, before the script.
   * @param args of the script.
   * @returns the job's number.
   */
  async submit(
    script: string,
    args: readonly string[] = [],
    { options = [], env = {} }: { options?: readonly string[]; env?: Record<string, string> } = {},
  ): Promise<number> {
    const output = `--output=${join(this.folder, "job-%j.log")}`;
    const words = ["--parsable", output, ...options, script, ...args];
    const { code, stdout, stderr } = await this.run("sbatch", words, env);
    if (code !== 0) throw new Error(`sbatch ${words.join(" ")}: exit code ${code}\n${stderr}`);
    return Number(stdout.trim());
  }

  /** Everything that Slurm tells of a job: JobState, Restarts, ExitCode. */
  async show(job: number): Promise<ReadonlyMap<string, string>> {
    const { stdout } = await this.run("scontrol", ["show", "job", "--oneliner", String(job)]);
    const words = stdout.split(/\s+/).map((word) => word.split(/=(.*)/s));
    return new Map(words.map(([name, value = ""]) => [name, value]));
  }

  /** Waits until the job is in that state, such as RUNNING or COMPLETED. @throws Error if it ends in another. */
  async waitFor(job: number, state: string, seconds = 60): Promise<void> {
    let seen = "";
    await until(
      () => `job ${job} is ${state}; it is ${seen}\n${this.log(job)}\n${this.logs}`,
      async () => {
        seen = (await this.show(job)).get("JobState") ?? "";
        if (seen !== state && /^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)$/.test(seen)) {
          throw new Error(`job ${job} is ${seen}, not ${state}\n${this.log(job)}`);
        }
        return seen === state || undefined;
      },
      seconds,
    );
  }

  /** What a job has printed so far. */
  log(job: number): string {
    try {
      return readFileSync(join(this.folder, `job-${job}.log`), "utf8");
    } catch {
      return ""; // it has not begun
    }
  }

  /** Process numbers of the tasks of a job's first step on a node, by their number there. */
  async taskPids(job: number, node: string): Promise<number[]> {
    const { stdout } = await this.run("scontrol", ["listpids", `${job}.0`, node]);
    // PID JOBID STEPID LOCALID GLOBALID; children of tasks have a - there.
    const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
    const tasks = rows.filter(([pid, , , local]) => /^\d+$/.test(pid) && /^\d+$/.test(local ?? ""));
    return tasks.sort((a, b) => Number(a[3]) - Number(b[3])).map(([pid]) => Number(pid));
  }

  /** Ends jobs and daemons, and removes the folder. */
  async stop(): Promise<void> {
    const none = async () => {
      const { code, stdout } = await this.run("squeue", [
        "--noheader",
        "--states=all",
        "--format=%T",
      ]);
      return code !== 0 || !/RUNNING|COMPLETING|CONFIGURING|PENDING/.test(stdout) || undefined;
    };
    if (this.daemons.length > 1) {
      await this.run("scancel", ["--quiet", "--full", "--signal=KILL", "--user", "root"]);
      await this.run("scancel", ["--quiet", "--user", "root"]);
      await until(() => `all jobs are over\n${this.logs}`, none).catch(() => undefined);
    }
    // munge last: the others need it to the end.
    for (const daemon of this.daemons.splice(0).reverse()) await daemon.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
