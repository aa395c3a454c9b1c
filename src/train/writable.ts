import { closeSync, openSync } from "node:fs";
import { UserError } from "../config/user_error.ts";

/**
 * Refuses a file that cannot be written, before hours of work are spent on what shall stand in it.
 * A file that is not there yet is made, empty.
 */
export function refuseUnwritable(flag: string, path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError({
      place: `${flag} ${path}`,
      problem: `cannot be written (${code})`,
      remedy: "name a file in a folder that exists and may be written to",
    });
  }
}
