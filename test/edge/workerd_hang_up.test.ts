// What only workerd itself can show: that a worker hears of others, and of clients that go away, while it computes.
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { artefacts } from "../../edge/platforms/artefacts.ts";
import { deploy } from "../../edge/platforms/deploy.ts";
import { workerdPlatform } from "../../edge/platforms/deploy_workerd.ts";
import { goldenTransformer } from "../models/golden_transformer.ts";
import { cpu } from "../support/devices.ts";
import { freePort, installed, startServer, temporaryFolder, writeFiles } from "./platforms.ts";
import { goldenFiles } from "./runtime/golden_bundle.ts";
import { until } from "./server/fake_translator.ts";
import { connectAndSend, rawPost } from "./server/serve.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const title =
  "workerd answers others while it translates, and stops when the client's connection is reset";
const program = installed("workerd");
if (program === undefined) test.skip(`${title} (npm install brings workerd)`, () => {});
else {
  test(title, async () => {
    const golden = goldenTransformer("transformer_prenorm_shared", cpu);
    const bundle = writeFiles(join(folder, "golden"), await goldenFiles(golden, "int8"));
    const out = join(folder, "workerd");
    await deploy(workerdPlatform, { bundles: [bundle], out, artefacts });
    const port = await freePort();
    const command = [program, "serve", "config.capnp", `--socket-addr=http=127.0.0.1:${port}`];
    const server = await startServer(command, { cwd: out, port });
    const metrics = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    try {
      // Minutes of work, if nobody stopped it.
      const text = Array.from({ length: 64 }, () => "w5 w6. W7 w8. ".repeat(40));
      const body = JSON.stringify({ text, beam: 4, max_len: 500, min_len: 60 });
      const { socket } = await connectAndSend(port, rawPost("/v1/translate", body));
      await until(async () => (await metrics()).includes("weft_requests_running 1\n"));
      socket.resetAndDestroy();
      await until(async () => (await metrics()).includes("weft_requests_running 0\n"));
      expect(await metrics()).not.toContain("weft_tokens_total{");
    } finally {
      await server.stop("SIGKILL");
    }
  }, 30_000);
}
