// What the bundler read for a bundle, so that a bundle of older sources is found out.
import { relative, resolve } from "node:path";
import process from "node:process";

/** Takes a path within build/edge, the content, and the files it was made from, from the top. */
export type WriteBundle = (
  path: string,
  content: string | Uint8Array,
  sources: readonly string[],
) => void;

/**
 * The files of the checkout that were bundled, from its top, in order. Packages are summed up in
 * package-lock.json.
 *
 * @param built with `metafile: true`, whose paths start where this process runs.
 */
export function bundledSources(top: string, { metafile }: Bun.BuildOutput): string[] {
  if (!metafile)
    throw new Error("the bundler does not say what it read: build with metafile: true");
  const sources = Object.keys(metafile.inputs).map((path) =>
    /(^|[\\/])node_modules[\\/]/.test(path)
      ? "package-lock.json"
      : relative(top, resolve(process.cwd(), path)).replaceAll("\\", "/"),
  );
  return [...new Set(sources)].sort();
}
