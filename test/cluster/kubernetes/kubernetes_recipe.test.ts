// The manifests against Kubernetes's schemas, their pods' environments through resolveWorld, and their
// commands through what weft train reads them with.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFence } from "../../../cluster/fence/open_fence.ts";
import { resolveWorld } from "../../../cluster/rendezvous/resolve_world.ts";
import type { World } from "../../../cluster/rendezvous/world.ts";
import { refuseStrangers, securityOf } from "../../../cluster/transport/security_flags.ts";
import { train } from "../../../src/cli/train.ts";
import type { ClusterConfig } from "../../../src/config/schemas/cluster.ts";
import { UserError } from "../../../src/config/user_error.ts";
import {
  environmentOf,
  faultsOf,
  type JobSpec,
  mountedAt,
  only,
  readManifest,
} from "./manifest.ts";

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

const jobSet = only<{
  readonly replicatedJobs: readonly {
    readonly name: string;
    readonly replicas: number;
    readonly template: { readonly spec: JobSpec };
  }[];
}>(readManifest("jobset.yaml"), "JobSet");

test("each pod of the JobSet knows its rank and its peers, and its Jobs are as they should be", () => {
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

const folder = mkdtempSync(join(tmpdir(), "weft-kubernetes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const [file, spec, labels] of [
  ["kubernetes.yaml", job.spec, { "batch.kubernetes.io/job-name": "weft-train" }],
  [
    "jobset.yaml",
    jobSet.spec.replicatedJobs[0].template.spec,
    {
      "batch.kubernetes.io/job-name": "weft-peers-1",
      "jobset.sigs.k8s.io/jobset-name": "weft",
      "jobset.sigs.k8s.io/job-index": "1",
    },
  ],
] as const) {
  test(`weft train takes what the containers of ${file} call it with, and the peers know each other`, async () => {
    const [command, ...args] = spec.template.spec.containers[0].args;
    expect(command).toBe("train");
    const settings = new Map(
      (await train.inspect(args)).map(({ section, key, value }) => [`${section}.${key}`, value]),
    );
    const cluster = Object.fromEntries(
      [...settings]
        .filter(([name]) => name.startsWith("cluster."))
        .map(([name, value]) => [name.slice("cluster.".length), value]),
    ) as unknown as ClusterConfig;

    const data = mountedAt(spec, `${settings.get("dataset.data")}`);
    const saved = mountedAt(spec, `${settings.get("checkpoint.save_dir")}`);
    expect([data.readOnly, saved.readOnly]).toEqual([true, undefined]);
    const fence = cluster.fence ?? "";
    openFence(fence);
    expect(mountedAt(spec, fence.replace(/^file:/, "")).name).toBe(saved.name);

    const path = cluster.cluster_secret_file ?? "";
    const { secret, mountPath } = mountedAt(spec, path);
    expect([secret?.secretName, path]).toEqual(["weft-cluster", `${mountPath}/secret`]);
    const mounted = join(folder, "secret");
    writeFileSync(mounted, "0".repeat(64));
    const security = securityOf({ ...cluster, cluster_secret_file: mounted });
    const world = resolveWorld(environmentOf(spec, 1, labels), cluster);
    const hosts = addressesOf(world).map(({ host }) => host);
    expect(hosts).toHaveLength(4);
    const refuse = (by: typeof security) => () => refuseStrangers(hosts, by, cluster, String);
    expect(refuse(security)).not.toThrow();
    expect(refuse({ kind: "plain" })).toThrow(UserError);
  });
}
