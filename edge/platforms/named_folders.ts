import { basename, resolve } from "node:path";
import { UserError } from "../../src/config/user_error.ts";

/** Folders by the names of their bundles. @throws UserError if two would have one name. */
export function namedFolders(folders: readonly string[]): Map<string, string> {
  const named = new Map<string, string>();
  for (const folder of folders) {
    const name = bundleName(folder);
    const other = named.get(name);
    if (other !== undefined) {
      throw new UserError({
        place: folder,
        problem: `would be called ${name}, and so is ${other}`,
        remedy: "give the bundles folders of different names",
      });
    }
    named.set(name, folder);
  }
  return named;
}

/**
 * What a bundle in a folder is called: as the folder is. Requests, addresses and settings hold the name.
 *
 * @throws UserError for a folder whose name cannot stand there.
 */
function bundleName(folder: string): string {
  const name = basename(resolve(folder));
  if (/^\w[\w.-]*$/.test(name)) return name;
  throw new UserError({
    place: folder,
    problem: `${JSON.stringify(name)} cannot be a model's name`,
    remedy: "rename the folder: letters, digits, dots, hyphens and underscores",
  });
}
