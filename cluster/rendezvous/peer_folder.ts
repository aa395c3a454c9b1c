// The files of a meeting in a folder: one for each process, written aside and renamed, by that process only.
import { rmSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../src/config/user_error.ts";
import { errorCode } from "../fence/error_code.ts";

const address = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65535) });

const processName = z.string().regex(/^[0-9a-f]{16}$/);

const record = z.strictObject({
  version: z.literal(1),
  /** Drawn by the process when it starts: a restarted one is another. */
  process: processName,
  rank: z.int().min(0).optional(),
  size: z.int().min(1),
  address,
  /** Processes whose files were there when this one came. */
  found: z.array(processName),
  /** Processes whose files it has seen. Whoever finds itself there knows that this one lived after it came. */
  seen: z.array(processName),
  /** All addresses, once it knows them. */
  roster: z.array(address).optional(),
});

export type PeerRecord = z.output<typeof record>;

const RECORD_FILE = /^([0-9a-f]{16})\.json$/;

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "writing there is not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "there is a file where a folder should be",
  EEXIST: "there is a file where a folder should be",
};

export class PeerFolder {
  /** @param place names the folder in messages. */
  constructor(
    readonly path: string,
    readonly place: string,
  ) {}

  /** Makes the folder. */
  async make(): Promise<void> {
    await this.attempt(() => mkdir(this.path, { recursive: true }));
  }

  /** Processes that have a file. */
  async processes(): Promise<string[]> {
    const names = await this.attempt(() => readdir(this.path));
    return names.flatMap((name) => RECORD_FILE.exec(name)?.[1] ?? []).sort();
  }

  /** A process's record; undefined if its file is gone or nothing of ours. */
  async read(process: string): Promise<PeerRecord | undefined> {
    try {
      const text = await readFile(this.pathOf(process), "utf8");
      const { data } = record.safeParse(JSON.parse(text));
      return data?.process === process ? data : undefined;
    } catch (error) {
      if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async write(own: PeerRecord): Promise<void> {
    await this.attempt(async () => {
      const aside = join(this.path, `${own.process}.tmp`);
      await writeFile(aside, JSON.stringify(own));
      await rename(aside, this.pathOf(own.process));
    });
  }

  async remove(process: string): Promise<void> {
    await rm(this.pathOf(process), { force: true });
    await rm(join(this.path, `${process}.tmp`), { force: true });
  }

  /** The same at once: the process may be about to end. */
  removeNow(process: string): void {
    try {
      rmSync(this.pathOf(process), { force: true });
    } catch {
      // It stays, and counts for nobody.
    }
  }

  private pathOf(process: string): string {
    return join(this.path, `${process}.json`);
  }

  private async attempt<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined) throw error;
      throw new UserError({
        place: this.place,
        problem: PROBLEMS[code] ?? `the folder cannot be used (${code})`,
        remedy: "let --rendezvous name a folder that all machines share and may write to",
      });
    }
  }
}
