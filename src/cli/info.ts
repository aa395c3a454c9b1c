import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import process from "node:process";
import { z } from "zod";
import { folderSource } from "../../edge/platforms/folder_source.ts";
import { Bundle } from "../../edge/runtime/bundle.ts";
import { describeBundle } from "../../edge/runtime/describe.ts";
import { openCpuDevice } from "../device/cpu/cpu_device.ts";
import { describeAdapter, listAdapters } from "../device/webgpu/adapter.ts";
import { version } from "../version.ts";
import { command } from "./command.ts";

/** One part of what `weft info` says: a heading and lines. Must not fail: what is missing is a line. */
export type InfoSource = () => InfoSection | Promise<InfoSection>;

export interface InfoSection {
  readonly title: string;
  readonly lines: readonly string[];
}

const gibibyte = 2 ** 30;

/** Versions of weft and of what runs it. */
function versions(): InfoSection {
  const { bun, deno, v8 } = process.versions as Record<string, string | undefined>;
  const runtime =
    bun !== undefined
      ? `bun ${bun}`
      : deno !== undefined
        ? `deno ${deno}`
        : `node ${process.version}`;
  return {
    title: "versions",
    lines: [
      `weft ${version}`,
      v8 === undefined || bun !== undefined ? runtime : `${runtime} (v8 ${v8})`,
    ],
  };
}

/** The machine as the operating system describes it. */
function machine(): InfoSection {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return {
    title: "machine",
    lines: [
      `${platform()} ${release()} ${arch()}`,
      `${model}, ${availableParallelism()} cores`,
      `${(totalmem() / gibibyte).toFixed(1)} GiB memory, ${(freemem() / gibibyte).toFixed(1)} GiB free`,
    ],
  };
}

/** The cpu device: whether a BLAS serves it, or how to get one. */
async function cpuDevice(): Promise<InfoSection> {
  try {
    const device = await openCpuDevice();
    await device.close();
    const { blas } = device;
    const products = "reason" in blas ? ["no BLAS:", ...blas.reason.split("; ")] : [];
    return {
      title: "device cpu",
      lines: [device.description.replace(/ \(no BLAS.*/, ""), ...products],
    };
  } catch (error) {
    return { title: "device cpu", lines: [error instanceof Error ? error.message : String(error)] };
  }
}

/** Adapters by provider; where a provider has none, why, and what helps. */
async function webgpuDevice(): Promise<InfoSection> {
  const lines: string[] = [];
  for (const { provider, adapters, refusal } of await listAdapters()) {
    for (const facts of adapters) lines.push(describeAdapter(facts));
    if (refusal) lines.push(`${provider}: ${refusal.reason}; ${refusal.remedy}`);
  }
  return { title: "device webgpu", lines };
}

/** What `weft info` reports, in this order. */
export const infoSources: readonly InfoSource[] = [versions, machine, cpuDevice, webgpuDevice];

/** A bundle's card, once every file of it has been read and found whole. */
async function bundleCard(folder: string): Promise<InfoSection> {
  const bundle = await Bundle.open(folderSource(folder));
  await bundle.verify();
  const whole = "all files have the sizes and hashes of the manifest";
  return { title: folder, lines: [...describeBundle(bundle.manifest), whole] };
}

export const info = command({
  name: "info",
  summary: "show versions, the machine and its devices; or the cards of bundles, and check them",
  config: z.strictObject({
    bundles: z
      .array(z.string())
      .default([])
      .describe("folders that weft export wrote")
      .meta({ positional: true }),
  }),
  async run({ bundles }, terminal) {
    const cards = bundles.map((folder) => () => bundleCard(folder));
    for (const source of cards.length > 0 ? cards : infoSources) {
      const { title, lines } = await source();
      terminal.line(`${title}:`);
      for (const line of lines) terminal.line(`  ${line}`);
    }
  },
});
