import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { UserError } from "../config/user_error.ts";
import type { ByteSource } from "./byte_source.ts";

// One read call may not exceed 2 GiB on any of the runtimes.
const LARGEST_READ = 1 << 30;

/**
 * Opens a file for random access; nothing is read until asked for.
 *
 * @throws UserError naming the file if it is absent, a folder, or may not be read.
 */
export function openFileSource(path: string): ByteSource {
  const file = openToRead(path);
  const status = fstatSync(file);
  if (status.isDirectory()) {
    closeSync(file);
    throw new UserError({
      place: path,
      problem: "is a folder, not a file",
      remedy: "give the path of one checkpoint file",
    });
  }
  let open = true;
  return {
    place: path,
    size: status.size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const count = Math.min(LARGEST_READ, length - done);
        const got = readSync(file, bytes, done, count, offset + done);
        if (got === 0) {
          throw new UserError({
            place: path,
            problem: `ends at byte ${offset + done}, inside a part of ${length} bytes`,
            remedy: "the file is being changed or was cut off; copy it again",
          });
        }
        done += got;
      }
      return bytes;
    },
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}

function openToRead(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UserError({
      place: path,
      problem: code === "ENOENT" ? "no such file" : `cannot be opened (${code})`,
      remedy: code === "ENOENT" ? "check the path" : "check the file's permissions",
    });
  }
}
