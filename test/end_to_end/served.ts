// A `weft serve` that runs while a test asks it.
import { freePort } from "../edge/platforms.ts";
import { RunningWeft } from "./weft_process.ts";

/** Starts `weft serve ARGS`, waits until it is ready, and ends it after `body`. @throws Error with its log if it ends before. */
export async function served(
  args: readonly string[],
  body: (server: RunningWeft, port: number) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const server = new RunningWeft(["serve", ...args, "--port", `${port}`]);
  try {
    if (!(await server.saw("loaded"))) throw new Error(server.lines.join("\n"));
    for (let i = 0; i < 100; i++) {
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      if (ready?.ok) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await body(server, port);
  } finally {
    server.signal("SIGKILL");
    await server.end();
  }
}

/** Asks for the n-best list of a sentence. */
export const ask = (
  port: number,
  body: object,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/v1/generate`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
