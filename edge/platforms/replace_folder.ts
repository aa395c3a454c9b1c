// Writing a folder that somebody may be reading: aside first, then renamed into its place.
import { existsSync } from "node:fs";
import { mkdir, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { UserError } from "../../src/config/user_error.ts";

/**
 * A folder is written over only if all that lies in it was written by us.
 *
 * @param known names that a folder of ours may hold, judged by what it says of itself; undefined if it says
 *   nothing that we know.
 * @throws UserError unless there is no such folder, an empty one, or one of ours.
 */
export async function refuseForeignFolder(
  out: string,
  known: (folder: string) => Promise<readonly string[] | undefined>,
): Promise<void> {
  if (!existsSync(out)) return;
  const names = await readdir(out).catch(() => undefined);
  if (names?.length === 0) return;
  const ours = names && (await known(out));
  const foreign = names?.find((name) => !ours?.includes(name));
  if (ours !== undefined && foreign === undefined) return;
  throw new UserError({
    place: `--out ${out}`,
    problem: names ? `is a folder with other files in it (${foreign})` : "is no folder",
    remedy: "name a new folder, or one that this command wrote",
  });
}

/** @param write fills the new folder; if it throws, what was there before stays. */
export async function replaceFolder(
  out: string,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  // A link to a folder stays one: what it leads to is replaced.
  const target = existsSync(out) ? await realpath(out) : resolve(out);
  if (target === process.cwd()) {
    throw new UserError({
      place: `--out ${out}`,
      problem: "is the folder that the command runs in",
      remedy: "run it from outside of the folder",
    });
  }
  try {
    await writeAside(target, write);
  } catch (cause) {
    throw refusedBySystem(cause) ?? cause;
  }
}

/** What the system does not let us do is nothing of ours: a full disk, a folder that is not ours to write. */
function refusedBySystem(cause: unknown): UserError | undefined {
  const { code, path, message } = cause as NodeJS.ErrnoException;
  if (code === undefined || !["EACCES", "EPERM", "EROFS", "ENOSPC", "ENOENT"].includes(code))
    return;
  return new UserError({
    place: path ?? "--out",
    problem: `cannot be written: ${message}`,
    remedy: "name a folder that may be written, on a disk with room",
  });
}

async function writeAside(target: string, write: (folder: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const partial = join(dirname(target), `.${basename(target)}-${process.pid}`);
  await rm(partial, { recursive: true, force: true }); // of a process that was killed
  await mkdir(partial);
  try {
    await write(partial);
    if (existsSync(target)) await exchange(target, partial);
    else await rename(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Puts one folder in the place of another, or leaves the other where it is. */
async function exchange(target: string, replacement: string): Promise<void> {
  const old = `${replacement}-old`;
  await rename(target, old);
  try {
    await rename(replacement, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true });
}
