// Folders that are ready to run elsewhere: what weft deploy writes.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Bundle } from "../runtime/bundle.ts";
import type { Manifest } from "../runtime/manifest.ts";
import type { Artefacts } from "./artefacts.ts";
import { folderSource } from "./folder_source.ts";
import { namedFolders } from "./named_folders.ts";
import { refuseForeignFolder, replaceFolder } from "./replace_folder.ts";

/** A bundle that was read and found whole. */
export interface CheckedBundle {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

export interface DeployOptions {
  readonly bundles: readonly string[];
  readonly out: string;
  readonly artefacts: Artefacts;
}

/** This file lists what a deployment's folder holds: nothing else in it may be written over. */
const MARK = ".weft-deployment";

/** What a platform adds to the bundles. */
export interface Platform {
  /** Folder of the bundles within the deployment. */
  readonly bundleFolder: string;
  /** Files to write, by name. @throws UserError if the bundles are too much for the platform. */
  files(
    bundles: readonly CheckedBundle[],
    artefacts: Artefacts,
  ): Promise<Record<string, string | Uint8Array>>;
}

/**
 * Checks the bundles and writes the folder, whole or not at all.
 *
 * @throws UserError for a bundle that is damaged, or a folder that holds something else.
 */
export async function deploy(platform: Platform, options: DeployOptions): Promise<void> {
  const { out, artefacts } = options;
  await refuseForeignFolder(out, namesOfDeployment);
  const bundles: CheckedBundle[] = [];
  for (const [name, folder] of namedFolders(options.bundles)) {
    const bundle = await Bundle.open(folderSource(folder));
    await bundle.verify();
    bundles.push({ name, folder, manifest: bundle.manifest });
  }
  const files = await platform.files(bundles, artefacts);
  const names = [MARK, platform.bundleFolder, ...Object.keys(files)];
  await replaceFolder(out, async (target) => {
    await writeFile(join(target, MARK), `${JSON.stringify(names)}\n`);
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(target, name), content);
    }
    for (const { name, folder, manifest } of bundles) {
      const to = join(target, platform.bundleFolder, name);
      await mkdir(to, { recursive: true });
      for (const file of ["manifest.json", ...Object.keys(manifest.files)]) {
        await cp(join(folder, file), join(to, file));
      }
    }
  });
}

async function namesOfDeployment(folder: string): Promise<readonly string[] | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, MARK), "utf8")) as string[];
  } catch {
    return undefined;
  }
}
