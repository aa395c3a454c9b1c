// A fence in a folder on a file system that all machines share.
//
//   000000000007.json    the 7th swap that won: a record, never changed
//   000000000008.json    the 8th: it stands, for no number is higher
//   aside-9-5f3a....tmp  a swap that is being written, or what a killed process left of one
//
// A swap writes its record aside, syncs it, and gives it the next number with link(2), which makes a name
// or fails if it is there: atomic on local disks and on NFS, where O_EXCL has not always been. Whoever
// crashes has won or has not; nobody ever sees half a record.
//
// A number is removed once the highest is KEPT above it. So whoever linked a number, looks again and sees
// the highest within KEPT of it was the first to have it: the swap has won, even if others have swapped
// since. Whoever sees a higher one may have linked a name that was free again, and has lost.
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../src/config/user_error.ts";
import { errorCode } from "./error_code.ts";
import type { Fence, FenceRecord } from "./fence.ts";
import { parseStored, requireLater, type StoredRecord, storedText } from "./stored_record.ts";

/** Numbers below the highest that stay: more than others can swap while one of us looks twice. */
const KEPT = 100;

/** Listings after which a reader that always comes too late gives up. */
const MAX_LISTINGS = 100;

const NUMBERED = /^(\d{12})\.json$/;
const ASIDE = /^aside-(\d+)-[0-9a-f]+\.tmp$/;

const asideName = (number: number): string =>
  `aside-${number}-${randomBytes(8).toString("hex")}.tmp`;

const nameOf = (number: number): string => `${String(number).padStart(12, "0")}.json`;

interface Numbered extends StoredRecord {
  readonly number: number;
}

export class FileFence implements Fence {
  /**
   * @param folder holds the register and nothing else; made by the first who needs it.
   * @param place names it in messages.
   */
  constructor(
    private readonly folder: string,
    private readonly place: string = `--fence file:${folder}`,
  ) {}

  /** Makes the folder, and a file in it with a second name. */
  async prepare(): Promise<void> {
    await this.attempt(async () => {
      await mkdir(this.folder, { recursive: true });
      // Of the next number, so that nobody clears them away as old before they are gone.
      const next = ((await this.newest())?.number ?? 0) + 1;
      const [aside, linked] = [0, 1].map(() => join(this.folder, asideName(next)));
      try {
        await writeFile(aside, "", { flag: "wx" });
        await link(aside, linked);
      } finally {
        await Promise.all([aside, linked].map((each) => rm(each, { force: true })));
      }
    });
  }

  async read(): Promise<FenceRecord | undefined> {
    return this.attempt(async () => (await this.newest())?.record);
  }

  async swap(expectedGeneration: number, next: FenceRecord): Promise<FenceRecord> {
    requireLater(expectedGeneration, next);
    return this.attempt(async () => {
      const standing = await this.newest();
      if (standing && standing.record.generation !== expectedGeneration) return standing.record;
      if (!standing && expectedGeneration !== 0) throw this.emptied(expectedGeneration);
      const writer = randomBytes(8).toString("hex");
      const number = (standing?.number ?? 0) + 1;
      const isMade = await this.create(number, storedText(next, writer));
      const newest = await this.newest();
      if (!newest) throw this.emptied(next.generation);
      // NFS may answer that the name is there although it has just made it: then the record is ours.
      const isOurs = isMade || newest.writer === writer;
      if (!isOurs || newest.number > number + KEPT) return newest.record;
      await this.removeBelow(newest.number - KEPT);
      return next;
    });
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  private async newest(): Promise<Numbered | undefined> {
    for (let listing = 0; listing < MAX_LISTINGS; listing++) {
      const numbers = (await this.names()).flatMap((name) => NUMBERED.exec(name)?.[1] ?? []);
      const number = Math.max(0, ...numbers.map(Number));
      if (number === 0) return undefined;
      const path = join(this.folder, nameOf(number));
      try {
        return { number, ...parseStored(await readFile(path, "utf8"), path) };
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error; // else others have won many swaps meanwhile
      }
    }
    throw new UserError({
      place: this.place,
      problem: `the newest record was gone ${MAX_LISTINGS} times in a row when it was to be read`,
      remedy: "let nothing else remove files there",
    });
  }

  /** Gives the text that number. @returns false if another has it. */
  private async create(number: number, text: string): Promise<boolean> {
    await mkdir(this.folder, { recursive: true });
    const aside = join(this.folder, asideName(number));
    try {
      const file = await open(aside, "wx");
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(aside, join(this.folder, nameOf(number)));
    } catch (error) {
      // EEXIST: another has the number. ENOENT: so many have won since that this file was cleared away.
      const isLost = ["EEXIST", "ENOENT"].includes(errorCode(error) ?? "");
      if (!isLost) throw error;
      return false;
    } finally {
      await rm(aside, { force: true });
    }
    const folder = await open(this.folder, "r");
    await folder.sync().finally(() => folder.close());
    return true;
  }

  private async removeBelow(lowest: number): Promise<void> {
    const old = (await this.names()).filter((name) => {
      const number = NUMBERED.exec(name)?.[1] ?? ASIDE.exec(name)?.[1];
      return number !== undefined && Number(number) < lowest;
    });
    await Promise.all(old.map((name) => rm(join(this.folder, name), { force: true })));
  }

  private emptied(generation: number): UserError {
    return new UserError({
      place: this.place,
      problem: `nothing stands there, and generation ${generation} should`,
      remedy: "leave the folder alone while the job runs, and share it between all machines",
    });
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
        remedy: "name a folder on a file system that all machines share and that has hard links",
      });
    }
  }
}

const PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: "writing there is not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOTDIR: "there is a file where a folder should be",
  EEXIST: "there is a file where a folder should be",
  EPERM: "the file system has no hard links",
  ENOTSUP: "the file system has no hard links",
  EOPNOTSUPP: "the file system has no hard links",
};
