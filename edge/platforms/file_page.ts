// Finds the page where there is a file system: Bun, Deno, the compiled binary.
import { readFile } from "node:fs/promises";

/** build/edge/page.html.asset. @throws Error that says how to build it. */
export async function readPage(): Promise<string> {
  try {
    return typeof Bun === "undefined"
      ? await readFile(new URL("../../build/edge/page.html.asset", import.meta.url), "utf8")
      : (await import("./bundled_page.ts")).default;
  } catch (cause) {
    throw new Error("build/edge/page.html.asset is missing: run `bun edge/build.ts`", { cause });
  }
}
