// A real `weft serve` under requests that mean no good, over its socket, with its memory watched.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileRequest } from "../edge/server/hostile_requests.ts";
import { goldenPath } from "../support/golden.ts";
import { ask, served } from "./served.ts";
import { succeed } from "./weft_process.ts";

const folder = mkdtempSync(join(tmpdir(), "weft-hostile-"));
const bundle = join(folder, "tiny");

beforeAll(() => {
  const [checkpoint, data] = ["transformer_b.pt", "data-bin"].map((name) =>
    goldenPath(`checkpoints/${name}`),
  );
  succeed(["export", checkpoint, "--data", data, "--out", bundle]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** MiB of memory that a process holds; 0 where there is no /proc. */
function residentMebibytes(pid: number | undefined): number {
  if (!existsSync(`/proc/${pid}/status`)) return 0;
  const [, kibibytes] =
    /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kibibytes) / 1024;
}

test("weft serve refuses hundreds of hostile requests over its socket, goes on answering, and grows by less than 128 MiB", async () => {
  await served([bundle], async (server, port) => {
    const wrong: string[] = [];
    let sent = 0;
    const attack = async (i: number): Promise<void> => {
      const { request, status } = hostileRequest(i);
      // Bodies that end early, late or never are test/edge/server/socket.test.ts's.
      if (status === 408 || status === 413) return;
      const body = await request.arrayBuffer().catch(() => undefined);
      if (body === undefined) return;
      sent++;
      const { pathname } = new URL(request.url);
      const { method, headers } = request;
      const response = await fetch(`http://127.0.0.1:${port}${pathname}`, {
        ...{ method, headers },
        body: method === "POST" ? body : undefined,
      });
      await response.arrayBuffer();
      if (response.status !== status) wrong.push(`${i}: ${response.status}, not ${status}`);
    };
    const memory: number[] = [];
    for (let hundred = 0; hundred < 6; hundred++) {
      const attacks = Array.from({ length: 100 }, (_, i) => attack(100 * hundred + i));
      const [answer] = await Promise.all([ask(port, { text: "a b", max_len: 5 }), ...attacks]);
      expect(answer.status).toBe(200);
      memory.push(residentMebibytes(server.pid));
    }
    expect(sent).toBeGreaterThan(500);
    expect(wrong).toEqual([]);
    // Heaps that warm up come to 40 MiB; bytes that are kept are hostile.test.ts's, which collects garbage.
    expect(Math.max(...memory) - Math.min(...memory)).toBeLessThan(128);
    server.signal("SIGTERM");
    expect(await server.end()).toBe(0);
    expect(server.lines.filter((line) => /Uncaught| {4}at /.test(line))).toEqual([]);
  });
}, 30_000);
