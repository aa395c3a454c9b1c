// Finds the page where there is a file system: Bun, Deno, the compiled binary.
import { readFile } from "node:fs/promises";
import { checkEdge } from "../../src/build_stamps.ts";

/** build/edge/page.html.asset. @throws Error that says how to build it; UserError if it is of other sources. */
export async function readPage(): Promise<string> {
  let page: string;
  try {
    page =
      typeof Bun === "undefined"
        ? await readFile(new URL("../../build/edge/page.html.asset", import.meta.url), "utf8")
        : (await import("./bundled_page.ts")).default;
  } catch (cause) {
    throw new Error("build/edge/page.html.asset is missing: run `bun edge/build.ts`", { cause });
  }
  checkEdge("page.html.asset");
  return page;
}
