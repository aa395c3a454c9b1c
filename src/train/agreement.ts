// What must be equal on all peers of a job, in the words of the command line.
import { createHash } from "node:crypto";
import type { ComponentRecord, ConfigRecord } from "../config/record.ts";
import type { ClusterConfig } from "../config/schemas/cluster.ts";
import type { RunIdentity } from "./run_record.ts";

/** Sections of which every setting counts, by the flag that chooses the component. */
const COMPONENTS = {
  task: "--task",
  model: "--arch",
  criterion: "--criterion",
  optimizer: "--optimizer",
  lr_scheduler: "--lr-scheduler",
};

/** Settings of the checkpoint section that decide when peers validate and stop: they do so together. */
const TOGETHER = [
  ...["save_interval", "save_interval_updates", "patience"],
  ...["best_checkpoint_metric", "maximize_best_checkpoint_metric"],
];

/** How gradients and parameters are exchanged. */
const EXCHANGE = ["wire", "reproducible", "sync_every", "outer_lr", "outer_momentum"] as const;

/** Longest value that is told as it is. */
const LONGEST = 60;

/** By what it is, its value: or several flags with theirs, as lines "--flag value". */
export function agreementOf(
  identity: Pick<RunIdentity, "version" | "config" | "dataHash" | "validationHash">,
  cluster: Pick<ClusterConfig, (typeof EXCHANGE)[number] | "batch_shards">,
  elements: number,
): Record<string, string> {
  const { version, config, dataHash, validationHash } = identity;
  const { sections, plugins } = config;
  const { dataset = {}, checkpoint = {}, common = {}, optimization = {}, ema = {} } = sections;
  const parts = Object.entries(COMPONENTS).map(([name, flag]) => chosen(sections[name], flag));
  const exchange = Object.fromEntries(EXCHANGE.map((key) => [key, cluster[key]]));
  const batch_shards = cluster.batch_shards ?? "unset";
  const own = { ...exchange, batch_shards, seed: settings(common).seed };
  const together = Object.entries(checkpoint).filter(([key]) => TOGETHER.includes(key));
  return {
    "version of weft": version,
    "training data": dataHash.slice(0, 16),
    "validation data": short(validationHash ?? "none"),
    components: lines(parts.flat()),
    settings: lines(
      [
        ...[own, optimization, settings(dataset, "data"), ema, Object.fromEntries(together)],
      ].flatMap(flags),
    ),
    "set of plug-ins": short(plugins.map(({ name, sha256 }) => `${name} ${sha256}`).join()),
    "number of parameters": String(elements),
  };
}

type Section = ConfigRecord["sections"][string];

const settings = (section: Section, without?: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(section).filter(([key]) => key !== without));

function chosen(section: Section | undefined, flag: string): string[] {
  if (section === undefined) return [];
  const { name, config } = section as ComponentRecord;
  return [`${flag} ${name}`, ...flags(config)];
}

const flags = (section: object): string[] =>
  Object.entries(section).map(([key, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `--${key.replaceAll("_", "-")} ${short(text)}`;
  });

/** One flag may belong to several sections. */
const lines = (all: readonly string[]): string => [...new Set(all)].join("\n");

const short = (text: string): string =>
  text.length <= LONGEST
    ? text.replaceAll("\n", " ")
    : createHash("sha256").update(text).digest("hex").slice(0, 16);
