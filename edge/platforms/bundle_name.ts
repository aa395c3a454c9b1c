import { basename, resolve } from "node:path";
import { UserError } from "../../src/config/user_error.ts";

/**
 * What a bundle in a folder is called: as the folder is. Requests, addresses and settings hold the name.
 *
 * @throws UserError for a folder whose name cannot stand there.
 */
export function bundleName(folder: string): string {
  const name = basename(resolve(folder));
  if (/^\w[\w.-]*$/.test(name)) return name;
  throw new UserError({
    place: folder,
    problem: `${JSON.stringify(name)} cannot be a model's name`,
    remedy: "rename the folder: letters, digits, dots, hyphens and underscores",
  });
}
