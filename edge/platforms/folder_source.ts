import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { BundleSource } from "../runtime/bundle.ts";

/** A bundle in a folder. */
export const folderSource = (folder: string): BundleSource => ({
  place: folder,
  async read(name) {
    const bytes = await readFile(join(folder, name));
    // Views of the pool that small files share are copied into a buffer of their own.
    return new Uint8Array(bytes);
  },
});
