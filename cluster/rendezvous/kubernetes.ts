// A Kubernetes Indexed Job, alone or within a JobSet. Kubernetes sets JOB_COMPLETION_INDEX and names the
// pods' hosts JOB-INDEX.SERVICE, if a headless Service stands behind `subdomain`. The rest comes from the
// manifest (recipes/cluster/kubernetes.yaml):
//
//   WEFT_WORLD_SIZE     number of pods: the Job's completions, which must be its parallelism too
//   WEFT_JOB            name of the Job, from the label batch.kubernetes.io/job-name
//   WEFT_SERVICE        name of the headless Service
//
// and, in a JobSet whose replicated job has several replicas, whose ranks go through Job after Job:
//
//   WEFT_JOB_INDEX      number of the Job, from the label jobset.sigs.k8s.io/job-index
//   WEFT_PODS_PER_JOB   completions of each
//
// JOB_COMPLETION_INDEX alone is no cluster: an Indexed Job may as well be a set of separate runs.
import { UserError } from "../../src/config/user_error.ts";
import type { Address } from "../transport/transport.ts";
import { type Environment, type Launch, numberIn, textIn } from "./launch.ts";
import { DEFAULT_PORT } from "./world.ts";

const OURS = ["WEFT_WORLD_SIZE", "WEFT_JOB", "WEFT_SERVICE", "WEFT_JOB_INDEX", "WEFT_PODS_PER_JOB"];

/** @param port every pod listens on it. */
export function kubernetesLaunch(env: Environment, port = DEFAULT_PORT): Launch | undefined {
  const set = OURS.find((name) => textIn(env, name) !== undefined);
  if (set === undefined) return undefined;
  const size = required(env, "WEFT_WORLD_SIZE", numberIn, set);
  const index = required(env, "JOB_COMPLETION_INDEX", numberIn, set);
  const job = required(env, "WEFT_JOB", textIn, set);
  const service = required(env, "WEFT_SERVICE", textIn, set);
  const { name, jobIndex, podsPerJob } = jobSet(env, job) ?? {
    name: job,
    jobIndex: 0,
    podsPerJob: Infinity,
  };
  const rank = jobIndex === 0 ? index : jobIndex * podsPerJob + index;
  if (index >= podsPerJob || rank >= size) {
    throw new UserError({
      place: `JOB_COMPLETION_INDEX=${index}`,
      problem: `is not below ${index >= podsPerJob ? `WEFT_PODS_PER_JOB=${podsPerJob}` : `WEFT_WORLD_SIZE=${size}`}`,
      remedy: "write the Job's completions there",
    });
  }
  const hostOf = (each: number): string =>
    podsPerJob === Infinity
      ? `${name}-${each}.${service}`
      : `${name}-${Math.floor(each / podsPerJob)}-${each % podsPerJob}.${service}`;
  const addresses = Array.from(
    { length: size },
    (_, each): Address => ({ host: hostOf(each), port }),
  );
  return {
    source: podsPerJob === Infinity ? "a Kubernetes Indexed Job" : "a Kubernetes JobSet",
    rank,
    size,
    sizeFrom: `WEFT_WORLD_SIZE=${size}`,
    localRank: 0,
    job: name,
    meeting: () => ({ kind: "static", addresses }),
  };
}

/** The JobSet's part of the name, which its Jobs have in common: train-peers of train-peers-0. */
function jobSet(env: Environment, job: string) {
  const [jobIndex, podsPerJob] = [
    numberIn(env, "WEFT_JOB_INDEX"),
    numberIn(env, "WEFT_PODS_PER_JOB"),
  ];
  if (jobIndex === undefined && podsPerJob === undefined) return undefined;
  if (jobIndex === undefined) throw missing("WEFT_JOB_INDEX", "WEFT_PODS_PER_JOB");
  if (podsPerJob === undefined) throw missing("WEFT_PODS_PER_JOB", "WEFT_JOB_INDEX");
  const ending = `-${jobIndex}`;
  if (job.endsWith(ending)) return { name: job.slice(0, -ending.length), jobIndex, podsPerJob };
  throw new UserError({
    place: `WEFT_JOB=${job}`,
    problem: `does not end with WEFT_JOB_INDEX=${jobIndex}, as the Jobs of a JobSet do`,
    remedy: "take both from the pod's labels, as recipes/cluster/kubernetes.yaml takes WEFT_JOB",
  });
}

function required<T>(
  env: Environment,
  name: string,
  read: (env: Environment, name: string) => T | undefined,
  set: string,
): T {
  const value = read(env, name);
  if (value === undefined) throw missing(name, set);
  return value;
}

function missing(name: string, set: string): UserError {
  return new UserError({
    place: name,
    problem: `is not set, but ${set} is`,
    remedy:
      name === "JOB_COMPLETION_INDEX"
        ? "give the Job completionMode: Indexed"
        : "pass it to the container, as recipes/cluster/kubernetes.yaml does",
  });
}
