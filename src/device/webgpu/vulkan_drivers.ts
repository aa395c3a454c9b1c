// Which Vulkan drivers the system lists, found as the Vulkan loader finds them: JSON files in known
// folders. Reading folders is cheap and silent, loading Dawn where there is no driver is neither.
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Driver manifests, by path. The variables are the loader's: VK_DRIVER_FILES replaces the search. */
export function listedVulkanDrivers(environment: Environment = process.env): string[] {
  const named = environment.VK_DRIVER_FILES ?? environment.VK_ICD_FILENAMES;
  if (named) return paths(named).flatMap(manifestsAt);
  const home = environment.HOME ?? homedir();
  const roots = [
    environment.XDG_CONFIG_HOME ?? join(home, ".config"),
    ...paths(environment.XDG_CONFIG_DIRS ?? "/etc/xdg"),
    "/etc",
    environment.XDG_DATA_HOME ?? join(home, ".local/share"),
    ...paths(environment.XDG_DATA_DIRS ?? "/usr/local/share:/usr/share"),
  ];
  const added = paths(environment.VK_ADD_DRIVER_FILES ?? "").flatMap(manifestsAt);
  return [...added, ...roots.flatMap((root) => manifestsAt(join(root, "vulkan/icd.d")))];
}

const paths = (list: string): string[] => list.split(":").filter((path) => path !== "");

/** The manifests in a folder, or the file itself. Nothing where neither exists. */
function manifestsAt(path: string): string[] {
  try {
    return readdirSync(path)
      .filter((name) => name.endsWith(".json"))
      .map((name) => join(path, name));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOTDIR" ? [path] : [];
  }
}
