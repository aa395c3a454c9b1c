import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../src/config/user_error.ts";

/**
 * The path in file:///shared/folder or file:/shared/folder.
 *
 * @param place the flag with its value, for the error.
 * @throws UserError unless it is one absolute path, without a machine's name.
 */
export function filePathOf(spec: string, place: string): string {
  const path = pathOf(spec);
  if (path !== undefined) return path;
  throw new UserError({
    place,
    problem: "is not an absolute path",
    remedy:
      "write file:///shared/folder, with three slashes, and %23 and %3F for # and ? in its name",
  });
}

function pathOf(spec: string): string | undefined {
  const rest = /^file:(?:\/\/)?(\/(?!\/).*)$/.exec(spec)?.[1];
  if (rest === undefined || /[?#]/.test(rest)) return undefined;
  try {
    const path = fileURLToPath(`file://${rest}`);
    return isAbsolute(path) && path.length > 1 ? path : undefined;
  } catch {
    return undefined;
  }
}
