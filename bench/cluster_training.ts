// Training by two peers of one thread each: speed and what the backward pass hides, on loopback and on links
// of 1 Gbit/s and 100 Mbit/s (network namespaces: root, ip and tc), beside one process of one thread; and
// the loss of local updates beside that of synchronous ones on the same data.
//
//   bun bench/cluster_training.ts DATA [speed] [curves]
//
// MODELS=small NETWORKS=none,1gbit (none: one process) and EVERY=1,10 in the environment choose parts.
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";
import { addressOf, buildLab, onHost, removeLab } from "./support/network_lab.ts";

const [data, ...wanted] = process.argv.slice(2);
if (!data) throw new Error("bun bench/cluster_training.ts DATA [speed] [curves]");
/** What a variable of the environment leaves of some choices. */
function chosen<T>(variable: string, all: readonly T[], nameOf: (each: T) => string): readonly T[] {
  const names = process.env[variable]?.split(",");
  return names ? all.filter((each) => names.includes(nameOf(each))) : all;
}

const main = resolve(import.meta.dirname, "../src/cli/main.ts");

const shape = (width: number, layers: number): string[] =>
  ["encoder", "decoder"].flatMap((side) => [
    ...[`--${side}-embed-dim`, `${width}`, `--${side}-ffn-embed-dim`, `${4 * width}`],
    ...[`--${side}-layers`, `${layers}`, `--${side}-attention-heads`, "4"],
  ]);

const models: Readonly<Record<string, readonly string[]>> = {
  quick: [...shape(128, 2), "--encoder-normalize-before", "--decoder-normalize-before"],
  small: shape(256, 3),
};

const common = (model: string): string[] => [
  ...["train", data, "--arch", "transformer", ...models[model], "--share-all-embeddings"],
  ...["--criterion", "label_smoothed_cross_entropy", "--label-smoothing", "0.1"],
  ...["--optimizer", "adam", "--adam-betas", "(0.9, 0.98)", "--lr", "3e-3", "--clip-norm", "1"],
  ...["--lr-scheduler", "inverse_sqrt", "--warmup-updates", "200", "--max-tokens", "1024"],
  ...["--dropout", "0.1", "--seed", "1", "--threads", "1", "--no-save"],
  ...["--log-format", "json", "--log-interval", "10", "--device", "cpu"],
];

type Entry = Readonly<Record<string, string | number>>;

/** Runs all commands at once. @returns the log of the first. */
async function together(commands: readonly (readonly string[])[]): Promise<Entry[]> {
  const logs = await Promise.all(
    commands.map(
      ([program, ...args]) =>
        new Promise<string>((done, failed) => {
          const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
          let text = "";
          child.stderr.on("data", (chunk) => {
            text += chunk;
          });
          child.on("close", (code) => (code === 0 ? done(text) : failed(new Error(text))));
        }),
    ),
  );
  return logs[0]
    .split("\n")
    .map((line) => line.slice(line.indexOf("{")))
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Entry);
}

let port = 29_800;

function peers(flags: readonly string[], lab: boolean): Promise<Entry[]> {
  port += 2;
  const addresses = [0, 1].map((rank) =>
    lab ? `${addressOf(rank)}:29400` : `127.0.0.1:${port + rank}`,
  );
  return together(
    addresses.map((_, rank) => [
      ...(lab ? onHost(rank) : []),
      ...[process.execPath, main, ...flags, "--peers", addresses.join(), "--rank", `${rank}`],
      ...(lab ? ["--sockets", "libc"] : []), // else they read each other's memory, past the network
    ]),
  );
}

/** Means over the lines of `train_inner` past the first 20 updates. */
function mean(log: readonly Entry[], key: string): number {
  const values = log
    .filter((entry) => key in entry && Number(entry.num_updates) > 20 && !("train_loss" in entry))
    .map((entry) => Number(entry[key]));
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

const exchanges: readonly (readonly [network: string, wire: string])[] = [
  ["none", ""],
  ["loopback", "bf16"],
  ["1gbit", "bf16"],
  ["1gbit", "f32"],
  ["100mbit", "bf16"],
  ["100mbit", "int8"],
];

async function speed(): Promise<void> {
  console.log(
    "| model | peers, network, wire | tokens/s | to one process | exchanged, MB | hidden |",
  );
  console.log("|---|---|--:|--:|--:|--:|");
  for (const model of chosen("MODELS", Object.keys(models), String)) {
    const flags = [...common(model), "--disable-validation", "--max-update", "60"];
    let alone: number | undefined;
    for (const [network, wire] of chosen("NETWORKS", exchanges, ([network]) => network)) {
      if (network === "none") {
        alone = mean(await together([[process.execPath, main, ...flags]]), "wps");
        console.log(`| ${model} | one process | ${alone.toFixed(0)} | 1.00 | | |`);
        continue;
      }
      const isLab = network !== "loopback";
      if (isLab) buildLab(2, network);
      try {
        const log = await peers([...flags, "--wire", wire, "--update-freq", "1"], isLab);
        const wps = mean(log, "wps");
        const share = alone === undefined ? "" : (wps / alone).toFixed(2);
        console.log(
          `| ${model} | 2, ${network}, ${wire} | ${wps.toFixed(0)} | ${share} | ` +
            `${mean(log, "exchanged_mb").toFixed(1)} | ${mean(log, "hidden").toFixed(0)} % |`,
        );
      } finally {
        if (isLab) removeLab();
      }
    }
  }
}

/** Epochs of each curve. */
const EPOCHS = 4;

const rounds: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["1", []],
  ["10", ["--sync-every", "10"]],
  ["50", ["--sync-every", "50"]],
  ["10 averaged", ["--sync-every", "10", "--outer-lr", "1", "--outer-momentum", "0"]],
  ["50 averaged", ["--sync-every", "50", "--outer-lr", "1", "--outer-momentum", "0"]],
];

async function curves(): Promise<void> {
  console.log("| exchange | validation perplexity after each epoch |\n|---|---|");
  for (const [every, flags] of chosen("EVERY", rounds, ([name]) => name)) {
    const log = await peers([...common("quick"), "--max-epoch", `${EPOCHS}`, ...flags], false);
    const values = log.filter((entry) => "valid_ppl" in entry).map((entry) => entry.valid_ppl);
    console.log(`| every ${every} | ${values.join(" ")} |`);
  }
}

const all = wanted.length === 0;
if (all || wanted.includes("speed")) await speed();
if (all || wanted.includes("curves")) await curves();
