// Writing a folder that somebody may be reading: aside first, then renamed into its place.
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { UserError } from "../../src/config/user_error.ts";

/**
 * A folder with something else in it is not written over.
 *
 * @param mark name of a file by which a folder of the same kind is known.
 * @throws UserError unless there is no such folder, an empty one, or one of the same kind.
 */
export async function refuseForeignFolder(out: string, mark: string): Promise<void> {
  if (!existsSync(out)) return;
  const names = await readdir(out).catch(() => undefined);
  if (names && (names.length === 0 || names.includes(mark))) return;
  throw new UserError({
    place: `--out ${out}`,
    problem: names ? "is a folder with other files in it" : "is no folder",
    remedy: `name a new folder, or one that holds ${mark}`,
  });
}

/** @param write fills the new folder; if it throws, what was there before stays. */
export async function replaceFolder(
  out: string,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  const target = resolve(out);
  await mkdir(dirname(target), { recursive: true });
  const partial = join(dirname(target), `.${basename(target)}-${process.pid}`);
  await mkdir(partial);
  try {
    await write(partial);
    if (existsSync(target)) {
      const old = `${partial}-old`;
      await rename(target, old);
      await rename(partial, target);
      await rm(old, { recursive: true });
    } else await rename(partial, target);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
