// The manifests against Kubernetes's schemas, and their pods' environments through resolveWorld.
import { expect, test } from "bun:test";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../../cluster/rendezvous/world.ts";
import { environmentOf, faultsOf, type JobSpec, only, readManifest } from "./manifest.ts";

const manifest = readManifest("kubernetes.yaml");
const job = only<JobSpec>(manifest, "Job");
const service = only<{ readonly ports: readonly { readonly port: number }[] }>(manifest, "Service");
const [container] = job.spec.template.spec.containers;

const addressesOf = (world: World | undefined) =>
  world?.meeting.kind === "static" ? world.meeting.addresses : [];

test("every object of the manifest is as Kubernetes's schemas want it", () => {
  expect(manifest.map(({ kind }) => kind)).toEqual(["Service", "PodDisruptionBudget", "Job"]);
  for (const resource of manifest) expect(faultsOf(resource)).toBe("");
});

test("the schemas find a name that is misspelt and a value of the wrong kind", () => {
  const spec = { ...job.spec, paralelism: 4 };
  expect(faultsOf({ ...job, spec })).toContain('Unrecognized key: "paralelism"');
  const text = { ...job.spec, completions: "4" };
  expect(faultsOf({ ...job, spec: text })).toContain("expected number, received string");
});

test("each pod of the Indexed Job knows its rank and its peers", () => {
  const { completions, parallelism, completionMode } = job.spec;
  expect([parallelism, completionMode]).toEqual([completions, "Indexed"]);
  const labels = { "batch.kubernetes.io/job-name": job.metadata.name };
  for (let index = 0; index < completions; index++) {
    const world = resolveWorld(environmentOf(job.spec, index, labels), {});
    expect(world).toMatchObject({ rank: index, size: completions, localRank: 0 });
    // As Kubernetes names them: JOB-INDEX in the subdomain, which is the Service's name.
    expect(addressesOf(world)).toEqual(
      Array.from({ length: completions }, (_, peer) => ({
        host: `${job.metadata.name}-${peer}.${job.spec.template.spec.subdomain}`,
        port: container.ports[0].containerPort,
      })),
    );
  }
});

test("names, ports and numbers of the manifest agree", () => {
  expect(job.spec.template.spec.subdomain).toBe(service.metadata.name);
  expect(service.spec.ports[0].port).toBe(container.ports[0].containerPort);
  const matchLabels = { "batch.kubernetes.io/job-name": job.metadata.name };
  expect(service.spec).toMatchObject({ selector: matchLabels, publishNotReadyAddresses: true });
  expect(only(manifest, "PodDisruptionBudget").spec).toEqual({
    minAvailable: job.spec.completions - 1,
    selector: { matchLabels },
  });
  expect(container).toMatchObject({ readinessProbe: { tcpSocket: { port: "peers" } } });
});

test("each pod of the JobSet knows its rank and its peers, and its Jobs are as they should be", () => {
  const jobSet = only<{
    readonly replicatedJobs: readonly {
      readonly name: string;
      readonly replicas: number;
      readonly template: { readonly spec: JobSpec };
    }[];
  }>(readManifest("jobset.yaml"), "JobSet");
  const [{ name, replicas, template }] = jobSet.spec.replicatedJobs;
  const { completions, parallelism } = template.spec;
  expect(parallelism).toBe(completions);
  // JobSet is no part of Kubernetes, but the Jobs that it makes are.
  const { spec } = template;
  expect(faultsOf({ kind: "Job", metadata: { name: "weft-peers-0" }, spec })).toBe("");
  const hosts = Array.from({ length: replicas * completions }, (_, rank) => {
    const [each, index] = [Math.floor(rank / completions), rank % completions];
    return `${jobSet.metadata.name}-${name}-${each}-${index}.${jobSet.metadata.name}`;
  });
  for (let rank = 0; rank < hosts.length; rank++) {
    const each = Math.floor(rank / completions);
    const labels = {
      "batch.kubernetes.io/job-name": `${jobSet.metadata.name}-${name}-${each}`,
      "jobset.sigs.k8s.io/jobset-name": jobSet.metadata.name,
      "jobset.sigs.k8s.io/job-index": String(each),
    };
    const world = resolveWorld(environmentOf(spec, rank % completions, labels), {});
    expect(world).toMatchObject({ rank, size: hosts.length });
    expect(addressesOf(world).map(({ host }) => host)).toEqual(hosts);
  }
});
