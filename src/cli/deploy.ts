import { artefacts } from "../../edge/platforms/artefacts.ts";
import { deploy, type Platform } from "../../edge/platforms/deploy.ts";
import { serverPlatform } from "../../edge/platforms/deploy_server.ts";
import { staticPlatform } from "../../edge/platforms/deploy_static.ts";
import { workerdPlatform } from "../../edge/platforms/deploy_workerd.ts";
import { deployFlags } from "../config/schemas/deploy.ts";
import { type Command, command } from "./command.ts";

const deployTo = (name: string, summary: string, platform: Platform): Command =>
  command({
    name: `deploy ${name}`,
    summary,
    config: deployFlags,
    async run({ bundles, out }, terminal) {
      await deploy(platform, { bundles, out, artefacts });
      terminal.line(`${out}: ready for ${name}; README.txt there says how to start it`);
    },
  });

export const deployWorkerd = deployTo(
  "workerd",
  "write a worker for Cloudflare and workerd",
  workerdPlatform,
);

export const deployDeno = deployTo("deno", "write a server for Deno", serverPlatform("deno"));

export const deployBun = deployTo("bun", "write a server for Bun", serverPlatform("bun"));

export const deployStatic = deployTo(
  "static",
  "write a page that runs the model in the browser",
  staticPlatform,
);
