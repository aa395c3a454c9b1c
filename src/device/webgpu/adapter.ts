// Finds the adapter that a user means, and what is true of it.
import type { GpuFacts } from "../../../kernels/op.ts";
import { UserError } from "../../config/user_error.ts";
import {
  type AdapterWish,
  isUnavailable,
  type OpenProvider,
  type Provider,
  providers,
  type Unavailable,
} from "./provider.ts";

export interface AdapterFacts extends GpuFacts {
  readonly provider: string;
  readonly name: string;
  readonly vendor: string;
  /** The card, as its driver calls it. */
  readonly device: string;
  /** The driver with its version, where the provider tells. */
  readonly driver: string;
  readonly backend: string;
  readonly type: "real" | "software";
  readonly timestamps: boolean;
  /** Whether the adapter lists subgroup matrices; which of them are right is known once they are tried. */
  readonly offersSubgroupMatrix: boolean;
  readonly limits: Readonly<Record<string, number>>;
}

export interface FoundAdapter {
  readonly facts: AdapterFacts;
  readonly adapter: GPUAdapter;
  readonly provider: OpenProvider;
}

export interface AdapterRequest {
  /**
   * What stands behind the colon of `--device webgpu:...`: nothing takes a real GPU, `software` a
   * CPU driver (llvmpipe, SwiftShader), any other text the adapter whose name contains it.
   */
  readonly name?: string;
  /** Name of the one provider to ask. Default: all, in order. */
  readonly provider?: string;
  /** See Provider.open: for a caller who would be content with no GPU. Default false. */
  readonly listedOnly?: boolean;
}

const wishes: readonly AdapterWish[] = ["high-performance", "low-power", "fallback"];

const softwareNames = /llvmpipe|lavapipe|softpipe|swiftshader|basic render/i;

const softwareRemedy =
  "ask for a software adapter by name: --device webgpu:software (slow, for tests)";

/** Features that kernels or the profiler use where an adapter has them. */
export const wantedFeatures = [
  "shader-f16",
  "subgroups",
  "timestamp-query",
  "chromium-experimental-subgroup-matrix",
] as const;

/** The first adapter that answers the request, over the providers in order; or why there is none. */
export async function findAdapter(
  request: AdapterRequest = {},
  offered: readonly Provider[] = providers,
): Promise<FoundAdapter | Unavailable> {
  const refusals: Unavailable[] = [];
  for (const { name, open } of offered) {
    if (request.provider !== undefined && request.provider !== name) continue;
    const opened = await open(request.listedOnly ?? false);
    const found = isUnavailable(opened) ? opened : await searchProvider(name, opened, request.name);
    if (!isUnavailable(found)) return found;
    refusals.push(found);
  }
  if (refusals.length === 0) throw new RangeError(`there is no provider ${request.provider}`);
  const present = refusals.filter(({ absent }) => !absent);
  const told = present.length > 0 ? present : refusals;
  return { reason: told.map(({ reason }) => reason).join("; "), remedy: told[0].remedy };
}

/** What one provider offers, for people: adapters, each once, or why there is none. */
export interface ProviderReport {
  readonly provider: string;
  readonly adapters: readonly AdapterFacts[];
  readonly refusal: Unavailable | undefined;
}

/** Asks every provider for all of its adapters. */
export async function listAdapters(
  offered: readonly Provider[] = providers,
): Promise<ProviderReport[]> {
  const reports: ProviderReport[] = [];
  for (const { name, open } of offered) {
    const opened = await open(false);
    if (isUnavailable(opened)) {
      reports.push({ provider: name, adapters: [], refusal: opened });
      continue;
    }
    const seen = new Map<string, AdapterFacts>();
    let refusal: Unavailable | undefined;
    for (const wish of wishes) {
      const adapter = await opened.requestAdapter(wish);
      if (!adapter) continue;
      const facts = factsOf(name, opened, adapter);
      if (isNullBackend(facts)) refusal = nullBackend(name);
      else seen.set(`${facts.name} ${facts.backend}`, facts);
    }
    if (seen.size === 0) refusal ??= noAdapter(name);
    reports.push({ provider: name, adapters: [...seen.values()], refusal });
  }
  return reports;
}

/** The adapter, or a UserError that says why there is none. */
export async function requireAdapter(request: AdapterRequest = {}): Promise<FoundAdapter> {
  const found = await findAdapter(request);
  if (!isUnavailable(found)) return found;
  throw new UserError({
    place: request.name === undefined ? "--device webgpu" : `--device webgpu:${request.name}`,
    problem: found.reason,
    remedy: `${found.remedy}, or use --device cpu`,
  });
}

async function searchProvider(
  name: string,
  provider: OpenProvider,
  choice: string | undefined,
): Promise<FoundAdapter | Unavailable> {
  const seen = new Map<string, AdapterFacts>();
  for (const wish of wishes) {
    const adapter = await provider.requestAdapter(wish);
    if (!adapter) continue;
    const facts = factsOf(name, provider, adapter);
    if (isNullBackend(facts)) return nullBackend(name);
    if (facts.limits.maxStorageBuffersPerShaderStage < KERNEL_OPERANDS) {
      return tooFewOperands(facts);
    }
    if (answers(facts, choice)) return { facts, adapter, provider };
    seen.set(facts.name, facts);
  }
  if (seen.size === 0) return noAdapter(name);
  const list = [...seen.values()].map((facts) => `${facts.name} (${facts.type})`).join(", ");
  if (choice === undefined) {
    return { reason: `${name} finds only a software adapter: ${list}`, remedy: softwareRemedy };
  }
  return {
    reason: `${name} finds no adapter named ${JSON.stringify(choice)}, only ${list}`,
    remedy: "name one of these, or point VK_DRIVER_FILES at the driver's manifest",
  };
}

function answers(facts: AdapterFacts, choice: string | undefined): boolean {
  if (choice === undefined) return facts.type === "real";
  if (choice === "software") return facts.type === "software";
  return facts.name.toLowerCase().includes(choice.toLowerCase());
}

/** Operands of our largest kernel, the gradient of attention with padding and dropout. */
export const KERNEL_OPERANDS = 10;

const tooFewOperands = ({ name, limits }: AdapterFacts): Unavailable => ({
  reason: `a kernel of ${name} takes ${limits.maxStorageBuffersPerShaderStage} operands, weft's up to ${KERNEL_OPERANDS}`,
  remedy: "update the GPU's driver",
});

/** Dawn without a driver answers with a backend that computes nothing: every result is zero. */
const isNullBackend = ({ backend, name }: AdapterFacts): boolean =>
  backend === "null" || name.includes("null-backend");

const nullBackend = (provider: string): Unavailable => ({
  reason: `${provider} finds no usable driver and offers Dawn's null backend, whose results are all zero`,
  remedy: "install a Vulkan driver that Dawn accepts (Mesa 23 or newer, or NVIDIA's own)",
});

const noAdapter = (provider: string): Unavailable => ({
  reason: `${provider} finds no adapter`,
  remedy: "install the GPU's driver (on Linux a Vulkan driver)",
});

function factsOf(providerName: string, provider: OpenProvider, adapter: GPUAdapter): AdapterFacts {
  const { info, features } = adapter;
  const { backend, isCpu } = provider.nativeFacts(adapter);
  const limits = limitsOf(adapter);
  const name = nameOf(info);
  // A provider that hides the driver's answer leaves the standard's flag and the driver's name.
  const software = isCpu || info.isFallbackAdapter || softwareNames.test(`${name} ${info.device}`);
  return {
    provider: providerName,
    name: name || "unnamed adapter",
    vendor: info.vendor,
    device: info.device || name,
    driver: info.description,
    backend: backend ?? "unknown backend",
    type: software ? "software" : "real",
    isSoftware: software,
    f16: features.has("shader-f16"),
    subgroups: subgroupsOf(adapter),
    timestamps: features.has("timestamp-query"),
    offersSubgroupMatrix: features.has("chromium-experimental-subgroup-matrix"),
    subgroupMatrix: undefined,
    maxWorkgroupSize: limits.maxComputeInvocationsPerWorkgroup,
    maxWorkgroupMemory: limits.maxComputeWorkgroupStorageSize,
    maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    limits,
  };
}

/** Undefined too where the provider does not tell their size. */
function subgroupsOf({ info, features }: GPUAdapter): GpuFacts["subgroups"] {
  const { subgroupMinSize: min, subgroupMaxSize: max } = info;
  return features.has("subgroups") && min > 0 && max >= min ? { min, max } : undefined;
}

/** Dawn's description is the driver's, which need not name the card. */
function nameOf({ device, description, vendor, architecture }: GPUAdapterInfo): string {
  if (device && /^nvidia\b/i.test(description)) return `${device} (${description})`;
  return description || device || `${vendor} ${architecture}`.trim();
}

/** All of the adapter's limits, by name: Dawn's bindings refuse a request that names only some. */
export function limitsOf(adapter: GPUAdapter): Record<string, number> {
  const limits: Record<string, number> = {};
  // Accessors of a prototype in browsers and Deno, own fields in bun-webgpu: `in` sees both.
  for (const name in adapter.limits) {
    const value: unknown = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  return limits;
}

const lanesOf = ({ min, max }: { min: number; max: number }): string =>
  min === max ? `${min}` : `${min} to ${max}`;

const sizesOf = ({ subgroupMatrix: matrix }: AdapterFacts): string =>
  matrix ? ` of ${matrix.M}x${matrix.N}x${matrix.K}` : "";

/** One line for the start of a run. */
export function describeAdapter(facts: AdapterFacts): string {
  const yes = [
    facts.f16 ? "f16" : "f16 packed in pairs",
    facts.subgroups && `subgroups of ${lanesOf(facts.subgroups)}`,
    facts.offersSubgroupMatrix && `subgroup matrices${sizesOf(facts)}`,
    facts.timestamps && "timestamps",
  ].filter(Boolean);
  const mebibytes = Math.floor(facts.limits.maxStorageBufferBindingSize / 2 ** 20);
  const kind = facts.type === "software" ? "software, " : "";
  return (
    `webgpu: ${facts.name} (${kind}${facts.backend}, ${facts.provider}); ` +
    `${yes.join(", ") || "no optional features"}; bindings up to ${mebibytes} MiB, ` +
    `workgroups of ${facts.maxWorkgroupSize} with ${facts.maxWorkgroupMemory / 1024} KiB`
  );
}
