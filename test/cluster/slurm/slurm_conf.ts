// The settings of a Slurm that lives in one folder, on this machine alone, for the length of a test.
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";

export interface SlurmSettings {
  /** Names of nodes, which are all this machine. Tasks find each other only by names that resolve. */
  readonly nodes: readonly string[];
  /** Of each node; more than there are is fine. */
  readonly cpus: number;
}

export interface Ports {
  readonly controller: number;
  /** By node. */
  readonly nodes: readonly number[];
}

/** Where munge's socket lies. */
export const mungeSocket = (folder: string): string => join(folder, "munge.socket");

/** No control groups, no accounting, nothing that is not needed; and nothing waits for long. */
export function slurmConf(folder: string, { nodes, cpus }: SlurmSettings, ports: Ports): string {
  return `
ClusterName=weft
# Jobs of tests that run at one time differ, and so do their ports.
FirstJobId=${1 + (process.pid % 900)}
SlurmctldHost=${hostname()}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=${ports.controller}
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits as long as its credential lives.
AuthInfo=socket=${mungeSocket(folder)},cred_expire=5
SlurmctldPidFile=${join(folder, "slurmctld.pid")}
SlurmdPidFile=${join(folder, "slurmd.%n.pid")}
StateSaveLocation=${join(folder, "state")}
SlurmdSpoolDir=${join(folder, "spool.%n")}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=5
ReturnToService=2
LaunchParameters=use_interactive_step
${nodes
  .map(
    (node, index) =>
      `NodeName=${node} NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${ports.nodes[index]} CPUs=${cpus} State=UNKNOWN`,
  )
  .join("\n")}
PartitionName=all Nodes=${nodes.join(",")} Default=YES MaxTime=INFINITE State=UP
`;
}
