// Slurm: srun sets these variables for each task of a step. A batch script and a shell of salloc have most
// of them too, even SLURM_PROCID=0 and the job's SLURM_NTASKS, but are no task: they have no step, or one
// of Slurm's own.
import { UserError } from "../../src/config/user_error.ts";
import type { Address } from "../transport/transport.ts";
import { type Environment, type Launch, numberIn, portFrom, rankOfSize, textIn } from "./launch.ts";
import { expandCounts, expandNodeList, placeTasks, type TaskPlace } from "./slurm_hosts.ts";
import { DEFAULT_PORT, type Meeting } from "./world.ts";

/** Numbers from here on are no steps of srun: 4294967290 is the shell of salloc, ...91 the batch script. */
const FIRST_SPECIAL_STEP = 0xfffffff0;

const REMEDY =
  "use srun --distribution=block, or let the peers meet by --rendezvous file:///shared/folder";

/** @param port base: the Nth task of a node listens N above it. */
export function slurmLaunch(env: Environment, port = DEFAULT_PORT): Launch | undefined {
  const step = textIn(env, "SLURM_STEP_ID");
  if (step === undefined || Number(step) >= FIRST_SPECIAL_STEP) return undefined;
  const sizeName =
    textIn(env, "SLURM_STEP_NUM_TASKS") === undefined ? "SLURM_NTASKS" : "SLURM_STEP_NUM_TASKS";
  const task = rankOfSize(env, "SLURM_PROCID", sizeName);
  if (!task) return undefined;
  requireOwnStep(env, task);
  const localRank = numberIn(env, "SLURM_LOCALID") ?? 0;
  return {
    source: "Slurm",
    ...task,
    localRank,
    job: jobOf(env, step),
    meeting: () => meetingOf(env, task, port),
  };
}

/** sbatch hands the step of the shell that called it down to its own script, which is none of its tasks. */
function requireOwnStep(env: Environment, { size, sizeFrom }: { size: number; sizeFrom: string }) {
  const tasks = numberIn(env, "SLURM_NTASKS") ?? size;
  if (tasks === size) return;
  throw new UserError({
    place: sizeFrom,
    problem: `contradicts SLURM_NTASKS=${tasks}`,
    remedy: "start weft with srun, or train alone with --world-size 1",
  });
}

/** A step of a job, and of the job's restart: a task that outlived its job must not speak to the next. */
function jobOf(env: Environment, step: string): string {
  const job = textIn(env, "SLURM_JOB_ID") ?? textIn(env, "SLURM_JOBID") ?? "unknown";
  const restarts = numberIn(env, "SLURM_RESTART_COUNT") ?? 0;
  return `slurm-${job}.${step}${restarts > 0 ? `-restart-${restarts}` : ""}`;
}

interface Task {
  readonly rank: number;
  readonly size: number;
  readonly sizeFrom: string;
}

function meetingOf(env: Environment, task: Task, port: number): Meeting {
  if (task.size === 1) return { kind: "static", addresses: [{ host: "127.0.0.1", port }] };
  const nodeList = firstSet(env, ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"]);
  const nodes = expandNodeList(nodeList.text, nodeList.name);
  const perNode = firstSet(env, ["SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"]);
  const counts = expandCounts(perNode.text, perNode.name);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (counts.length !== nodes.length || total !== task.size) {
    throw new UserError({
      place: `${perNode.name}=${perNode.text}`,
      problem: `are ${total} tasks on ${counts.length} nodes, but ${nodeList.name}=${nodeList.text} and ${task.sizeFrom}`,
      remedy: REMEDY,
    });
  }
  const places = placeTasks(counts, tasksInRow(env));
  requireOwnPlace(env, task.rank, places[task.rank]);
  const addresses = places.map(
    ({ node, local }): Address => ({ host: nodes[node], port: portFrom(port, local) }),
  );
  return { kind: "static", addresses };
}

function firstSet(env: Environment, names: readonly [string, string]) {
  for (const name of names) {
    const text = textIn(env, name);
    if (text !== undefined) return { name, text };
  }
  throw new UserError({
    place: names[0],
    problem: "is not set, although this is a task of Slurm",
    remedy: "pass Slurm's variables on to weft, or give --peers or --rendezvous",
  });
}

function tasksInRow(env: Environment): number {
  const distribution = textIn(env, "SLURM_DISTRIBUTION") ?? "block";
  // "cyclic:block,Pack" says cyclic of nodes, block of the sockets of a node.
  switch (/^[a-z]+/i.exec(distribution)?.[0].toLowerCase()) {
    case "block":
      return Infinity;
    case "cyclic":
      return 1;
    case "plane":
      return Math.max(1, numberIn(env, "SLURM_DIST_PLANESIZE") ?? 1);
    default:
      throw new UserError({
        place: "SLURM_DISTRIBUTION",
        problem: `${JSON.stringify(distribution)} does not say which node runs which task`,
        remedy: REMEDY,
      });
  }
}

/** If this task is not where the others will look for it, nothing good comes of going on. */
function requireOwnPlace(env: Environment, rank: number, { node, local }: TaskPlace): void {
  const [ownNode, ownLocal] = [numberIn(env, "SLURM_NODEID"), numberIn(env, "SLURM_LOCALID")];
  if ((ownNode ?? node) === node && (ownLocal ?? local) === local) return;
  throw new UserError({
    place: `SLURM_PROCID=${rank}`,
    problem: `is task ${ownLocal} of node ${ownNode} here, but task ${local} of node ${node} by the counts`,
    remedy: REMEDY,
  });
}
