import { artefacts } from "../../edge/platforms/artefacts.ts";
import { deploy, type Platform } from "../../edge/platforms/deploy.ts";
import { serverPlatform } from "../../edge/platforms/deploy_server.ts";
import { staticPlatformWith } from "../../edge/platforms/deploy_static.ts";
import { workerdPlatform } from "../../edge/platforms/deploy_workerd.ts";
import { deployFlags, deployStaticFlags } from "../config/schemas/deploy.ts";
import { type Command, command } from "./command.ts";

const deployTo = (name: string, summary: string, platform: Platform): Command =>
  command({
    name: `deploy ${name}`,
    summary,
    config: deployFlags,
    async run({ bundles, out }, terminal) {
      await deploy(platform, { bundles, out, artefacts });
      terminal.line(readyFor(name, out));
    },
  });

const readyFor = (name: string, out: string): string =>
  `${out}: ready for ${name}; README.txt there says how to start it`;

export const deployWorkerd = deployTo(
  "workerd",
  "write a worker for Cloudflare and workerd",
  workerdPlatform,
);

export const deployDeno = deployTo("deno", "write a server for Deno", serverPlatform("deno"));

export const deployBun = deployTo("bun", "write a server for Bun", serverPlatform("bun"));

export const deployStatic = command({
  name: "deploy static",
  summary: "write a page that runs the model in the browser",
  config: deployStaticFlags,
  async run({ bundles, out, engine }, terminal) {
    await deploy(staticPlatformWith(engine), { bundles, out, artefacts });
    terminal.line(readyFor("static", out));
  },
});
