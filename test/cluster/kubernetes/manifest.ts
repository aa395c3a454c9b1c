// A manifest as Kubernetes reads it, and what its pods find in their environment.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
}

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly EnvVar[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts: readonly Mount[];
}

interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string };
}

export interface JobSpec {
  readonly completionMode: string;
  readonly completions: number;
  readonly parallelism: number;
  readonly template: {
    readonly spec: {
      readonly subdomain?: string;
      readonly containers: readonly [Container];
      readonly volumes: readonly Volume[];
    };
  };
}

/** An object of a manifest; its spec is whatever its kind says. */
export interface Resource<Spec = unknown> {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Spec;
}

/** The objects of a file of recipes/cluster. @throws Error on what is no YAML. */
export function readManifest(file: string): Resource[] {
  const path = resolve(import.meta.dirname, "../../../recipes/cluster", file);
  return parseAllDocuments(readFileSync(path, "utf8"), { strict: true, uniqueKeys: true }).map(
    (document) => {
      const [error] = [...document.errors, ...document.warnings];
      if (error) throw error;
      return document.toJS() as Resource;
    },
  );
}

/** The only object of its kind. */
export function only<Spec>(resources: readonly Resource[], kind: string): Resource<Spec> {
  const found = resources.filter((each) => each.kind === kind);
  if (found.length !== 1) throw new Error(`${found.length} objects are a ${kind}`);
  return found[0] as Resource<Spec>;
}

/**
 * What a pod of an Indexed Job finds in its environment.
 *
 * @param labels that Kubernetes has given it.
 */
export function environmentOf(
  { template }: JobSpec,
  index: number,
  labels: Readonly<Record<string, string>>,
): Record<string, string> {
  const values = template.spec.containers[0].env.map(({ name, value, valueFrom }) => {
    const path = valueFrom?.fieldRef.fieldPath ?? "";
    const [, label] = /^metadata\.labels\['([^']+)'\]$/.exec(path) ?? [];
    const text = value ?? labels[label];
    if (text === undefined) throw new Error(`${name}: no pod has ${path}`);
    return [name, text];
  });
  return { JOB_COMPLETION_INDEX: String(index), ...Object.fromEntries(values) };
}

/** What is mounted where a path leads to. @throws Error if nothing is. */
export function mountedAt({ template }: JobSpec, path: string): Mount & Volume {
  const [{ volumeMounts }] = template.spec.containers;
  const mount = volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
  const volume = template.spec.volumes.find(({ name }) => name === mount?.name);
  if (!mount || !volume) throw new Error(`${path} lies in no volume`);
  return { ...mount, ...volume };
}

const { $defs } = JSON.parse(
  readFileSync(join(import.meta.dirname, "schemas.json"), "utf8"),
) as z.core.JSONSchema.JSONSchema;

const API: Readonly<Record<string, string>> = {
  Job: "io.k8s.api.batch.v1.Job",
  Service: "io.k8s.api.core.v1.Service",
  PodDisruptionBudget: "io.k8s.api.policy.v1.PodDisruptionBudget",
};

/** What Kubernetes's own schema, strictly read, finds wrong. */
export function faultsOf(resource: Resource): string {
  const $ref = `#/$defs/${API[resource.kind]}`;
  const { error } = z.fromJSONSchema({ $ref, $defs }).safeParse(resource);
  return error ? z.prettifyError(error) : "";
}
