// Files that appear whole or not at all. Written aside, flushed to the disk, renamed: whoever reads
// the name at any moment, also after `kill -9` or a power cut, finds the old file or the new one.
import { copyFile, link, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../config/user_error.ts";
import type { ByteSink } from "../interop/safetensors.ts";

const ASIDE = ".tmp";

/**
 * Replaces `path` by what `write` gives to the sink. If anything fails, `path` is as before and
 * nothing is left beside it.
 *
 * @throws UserError naming the file when the disk is full, read-only or not permitted to us;
 * any other error of `write` passes through.
 */
export async function replaceFile(
  path: string,
  write: (sink: ByteSink) => Promise<void>,
): Promise<void> {
  await putAside(path, async (aside) => {
    const file = await open(aside, "w");
    try {
      await write({
        async write(bytes) {
          for (let done = 0; done < bytes.byteLength; ) {
            const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done);
            done += bytesWritten;
          }
        },
      });
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

/**
 * Makes `path` another name of the file `existing`, replacing what stood there: a hard link, or a
 * copy where the file system has none. Errors as replaceFile.
 */
export async function duplicateFile(existing: string, path: string): Promise<void> {
  await putAside(path, async (aside) => {
    await rm(aside, { force: true });
    try {
      await link(existing, aside);
    } catch (error) {
      if (!CANNOT_LINK.has(codeOf(error) ?? "")) throw error;
      await copyFile(existing, aside);
      const copy = await open(aside, "r+");
      await copy.sync().finally(() => copy.close());
    }
  });
}

/**
 * Makes a folder for checkpoints, if there is none, and tries to write into it: a run must not find
 * out at its first checkpoint that it cannot save. Errors as replaceFile.
 */
export async function prepareFolder(folder: string): Promise<void> {
  const trial = join(folder, `trial.safetensors${ASIDE}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(trial, "");
    await rm(trial, { force: true });
  } catch (error) {
    throw asUserError(error, folder, "no checkpoint can be saved there");
  }
}

/** Removes what a process that was killed while saving left in `folder`. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const left = names.filter((name) => name.endsWith(`.safetensors${ASIDE}`));
  await Promise.all(left.map((name) => rm(join(folder, name), { force: true })));
}

async function putAside(path: string, make: (aside: string) => Promise<void>): Promise<void> {
  const aside = path + ASIDE;
  try {
    await make(aside);
    await rename(aside, path);
    // Renaming a hard link onto another link of the same file does nothing and leaves it there.
    await rm(aside, { force: true });
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(aside, { force: true }).catch(() => {});
    throw asUserError(error, path);
  }
}

/** Makes a rename survive a power cut. Windows cannot open folders, and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  await handle.sync().finally(() => handle.close());
}

const CANNOT_LINK = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"]);

const ELSEWHERE = "save elsewhere (--save-dir of weft train, --output of weft average)";
const OR_ELSEWHERE = `, or ${ELSEWHERE}`;

const REMEDIES: Readonly<Record<string, [problem: string, remedy: string]>> = {
  ENOSPC: ["the disk is full", `free some space${OR_ELSEWHERE}`],
  EDQUOT: ["the disk quota is used up", `free some space${OR_ELSEWHERE}`],
  EFBIG: ["the file is too large for this file system", ELSEWHERE],
  EACCES: ["writing is not permitted", `change the folder's permissions${OR_ELSEWHERE}`],
  EPERM: ["writing is not permitted", `change the folder's permissions${OR_ELSEWHERE}`],
  EROFS: ["the file system is read-only", ELSEWHERE],
  ENOENT: ["its folder does not exist", `create the folder${OR_ELSEWHERE}`],
  EEXIST: ["there is a file of that name", ELSEWHERE],
  EISDIR: ["there is a folder of that name", ELSEWHERE],
  ENOTDIR: ["its folder is a file", ELSEWHERE],
  EIO: ["the disk reports an error", `${ELSEWHERE}, and check the disk`],
};

function asUserError(error: unknown, path: string, what = "cannot be saved"): unknown {
  const [problem, remedy] = REMEDIES[codeOf(error) ?? ""] ?? [];
  if (!problem || !remedy) return error;
  return new UserError({
    place: path,
    problem: `${what}: ${problem}`,
    remedy: `${remedy}; a checkpoint that stood there before is intact`,
  });
}

/** Deno says of the rarer errors only "... (os error 27)". */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  const [, number] = /\(os error (\d+)\)/.exec(error.message) ?? [];
  if (code !== undefined || number === undefined) return code;
  return Object.entries(constants.errno).find(([, value]) => value === Number(number))?.[0];
}
