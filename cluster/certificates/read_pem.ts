import { UserError } from "../../src/config/user_error.ts";

/** What `read` makes of a PEM text. @throws UserError saying where and what it should have been. */
export function readPem<T>(place: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError({
      place,
      problem: `cannot be read as a ${what} (${reason})`,
      remedy: "give the files that weft cluster certificates wrote",
    });
  }
}
