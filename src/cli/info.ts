import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from "node:os";
import process from "node:process";
import { z } from "zod";
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

/** What `weft info` reports, in this order. */
export const infoSources: readonly InfoSource[] = [versions, machine];

export const info = command({
  name: "info",
  summary: "show versions, the machine and its devices, and what is missing",
  config: z.strictObject({}),
  async run(_, terminal) {
    for (const source of infoSources) {
      const { title, lines } = await source();
      terminal.line(`${title}:`);
      for (const line of lines) terminal.line(`  ${line}`);
    }
  },
});
