import { expect, test } from "bun:test";
import { serveFolders } from "../../edge/platforms/serve_folders.ts";
import type { EdgeTranslator } from "../../edge/runtime/translator.ts";
import { limits } from "../../edge/server/limits.ts";
import { UserError } from "../../src/config/user_error.ts";
import { freePort } from "./platforms.ts";
import { createFake, until } from "./server/fake_translator.ts";

async function start(open: (folder: string) => Promise<EdgeTranslator>) {
  const [hostname, port] = ["127.0.0.1", await freePort()];
  const serving = serveFolders({
    ...{ hostname, port, folders: ["fakes/a", "fakes/b"], tokens: [], origins: [], watch: false },
    limits: limits.parse({}),
    open,
    log: () => undefined,
  });
  const status = async (path: string) => {
    const response = await fetch(`http://${hostname}:${port}${path}`).catch(() => undefined);
    await response?.text();
    return response?.status;
  };
  return { serving, status };
}

test("serveFolders() answers while bundles are loaded, and is ready behind the last of them", async () => {
  const last = Promise.withResolvers<void>();
  const { serving, status } = await start(async (folder) => {
    if (folder === "fakes/b") await last.promise;
    return createFake();
  });
  await until(async () => (await status("/healthz")) === 200);
  expect(await status("/readyz")).toBe(503);
  last.resolve();
  const server = await serving;
  expect(await status("/readyz")).toBe(200);
  await server.stop();
});

test("serveFolders() listens no more when a bundle is refused", async () => {
  const loaded = createFake();
  const { serving, status } = await start(async (folder) => {
    if (folder === "fakes/a") return loaded;
    throw new UserError({ place: folder, problem: "is damaged", remedy: "copy it again" });
  });
  await expect(serving).rejects.toThrow("fakes/b: is damaged");
  expect(loaded.isClosed).toBe(true);
  expect(await status("/healthz")).toBe(undefined);
});
