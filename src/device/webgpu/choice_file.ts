// What was measured of kernels, on disk: one JSON file per adapter and driver, since neither's timings
// say anything of another's.
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { cacheFolder } from "../../config/cache_folder.ts";
import type { AdapterFacts } from "./adapter.ts";
import type { MeasuredChoice } from "./kernel_choices.ts";

const SCHEMA_VERSION = 1;

const document = z.strictObject({
  schema_version: z.literal(SCHEMA_VERSION),
  adapter: z.record(z.string(), z.string()),
  /** By op and class of shapes. `texts` is a hash of the candidates' WGSL: other kernels, other entry. */
  choices: z.record(
    z.string(),
    z.strictObject({
      texts: z.string(),
      chosen: z.string(),
      microseconds: z.record(z.string(), z.number()),
    }),
  ),
});

export class ChoiceFile {
  readonly path: string;
  private readonly adapter: Readonly<Record<string, string>>;

  /** @param folder where weft keeps what it can make again. */
  constructor(
    { name, vendor, device, driver, backend, provider }: AdapterFacts,
    folder: string = cacheFolder(),
  ) {
    this.adapter = { name, vendor, device, driver, backend, provider };
    const key = createHash("sha256").update(JSON.stringify(this.adapter)).digest("hex");
    const readable = device
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .slice(0, 40);
    this.path = join(folder, "autotune", `${readable}-${key.slice(0, 12)}.json`);
  }

  /** All entries; none if there is no file. What cannot be read as one is told of and made anew. */
  async read(say: (line: string) => void): Promise<[string, MeasuredChoice][]> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch {
      return [];
    }
    try {
      return Object.entries(document.parse(JSON.parse(text)).choices);
    } catch {
      say(`autotune: ${this.path} is not of this version of weft and is made anew`);
      return [];
    }
  }

  /** Adds entries to those of the file: other processes may have written some meanwhile. */
  async write(
    entries: readonly (readonly [string, MeasuredChoice])[],
    say: (line: string) => void,
  ): Promise<void> {
    const merged = new Map([...(await this.read(say)), ...entries]);
    const choices = Object.fromEntries([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
    const { adapter } = this;
    const text = JSON.stringify({ schema_version: SCHEMA_VERSION, adapter, choices }, null, 1);
    const aside = `${this.path}.${process.pid}`;
    await mkdir(join(this.path, ".."), { recursive: true });
    await writeFile(aside, `${text}\n`);
    await rename(aside, this.path);
  }
}
