import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { AverageConfig } from "../config/schemas/average.ts";
import { UserError } from "../config/user_error.ts";
import { loadStoredWeights } from "./checkpoint_weights.ts";

type Selection = Pick<
  AverageConfig,
  | "inputs"
  | "num_epoch_checkpoints"
  | "num_update_checkpoints"
  | "num_best_checkpoints"
  | "checkpoint_upper_bound"
>;

/**
 * The checkpoint files to average, the first first: the files given, or of a folder the last by
 * epoch, the last by update, or the best by value. The best are also found in a folder, and where
 * the largest value is best, which fairseq's script does not know.
 *
 * @throws UserError if there are fewer than asked for, or a folder is given without a choice.
 */
export async function findCheckpoints(config: Selection): Promise<string[]> {
  const { inputs, num_epoch_checkpoints: epochs, num_update_checkpoints: updates } = config;
  const bound = config.checkpoint_upper_bound;
  if (config.num_best_checkpoints !== undefined) {
    return await best(inputs, config.num_best_checkpoints);
  }
  if (epochs !== undefined) return await lastOf(inputs, /^checkpoint(\d+)$/, epochs, bound);
  if (updates !== undefined) return await lastOf(inputs, /^checkpoint_\d+_(\d+)$/, updates, bound);
  for (const input of inputs) {
    if (!(await isFolder(input))) continue;
    throw new UserError({
      place: input,
      problem: "is a folder",
      remedy:
        "say which of its files: --num-epoch-checkpoints, --num-update-checkpoints or --num-best-checkpoints",
    });
  }
  return [...inputs];
}

interface Candidate {
  readonly path: string;
  /** Epoch, update or value. */
  readonly key: number;
}

async function lastOf(
  inputs: readonly string[],
  pattern: RegExp,
  count: number,
  bound = Infinity,
): Promise<string[]> {
  const [folder, ...more] = inputs;
  if (folder === undefined || more.length > 0) {
    throw new UserError({
      place: "--inputs",
      problem: `${inputs.length} paths are given`,
      remedy: "give one folder with --num-epoch-checkpoints and --num-update-checkpoints",
    });
  }
  const found = (await candidates(folder, pattern)).filter(({ key }) => key <= bound);
  return firstOf(
    folder,
    found.sort((a, b) => b.key - a.key),
    count,
  );
}

const VALUE = /^checkpoint\.best_.*_(-?\d+\.?\d*)$/;

async function best(inputs: readonly string[], count: number): Promise<string[]> {
  const found: Candidate[] = [];
  for (const input of inputs) {
    if (await isFolder(input)) found.push(...(await candidates(input, VALUE)));
    else found.push({ path: input, key: keyOf(input, VALUE) ?? noValue(input) });
  }
  const [any] = found;
  const direction = any && maximizes(any.path) ? -1 : 1;
  const ordered = found.sort((a, b) => direction * (a.key - b.key));
  return firstOf(inputs.join(" "), ordered, count);
}

/** Whether the run of this checkpoint looked for the largest value of its metric. */
function maximizes(path: string): boolean {
  const { record, fairseq } = loadStoredWeights(path);
  const sections = record?.config.sections;
  const flags = record ? isRecord(sections) && sections.checkpoint : fairseq?.settings?.flags;
  return isRecord(flags) && flags.maximize_best_checkpoint_metric === true;
}

function noValue(path: string): never {
  throw new UserError({
    place: path,
    problem: "has no value in its name",
    remedy: "give files of --keep-best-checkpoints, e.g. checkpoint.best_loss_4.2120.safetensors",
  });
}

function firstOf(place: string, ordered: readonly Candidate[], count: number): string[] {
  if (ordered.length >= count) return ordered.slice(0, count).map(({ path }) => path);
  throw new UserError({
    place,
    problem: `${ordered.length} fitting checkpoints, ${count} are to be averaged`,
    remedy: "ask for fewer, or name the files",
  });
}

/** Files of the folder that fit; of the same checkpoint in both formats, weft's. */
async function candidates(folder: string, pattern: RegExp): Promise<Candidate[]> {
  const names = await readdir(folder).catch(() => {
    throw new UserError({
      place: folder,
      problem: "is no folder that can be read",
      remedy: "give the folder of the checkpoints (--save-dir)",
    });
  });
  const found = new Map<string, Candidate>();
  for (const name of names.sort()) {
    const key = keyOf(name, pattern);
    // ".pt" sorts before ".safetensors", which replaces it.
    if (key !== undefined) found.set(stem(name), { path: join(folder, name), key });
  }
  return [...found.values()];
}

function keyOf(path: string, pattern: RegExp): number | undefined {
  const name = basename(path);
  const [, key] = (stem(name) !== name && pattern.exec(stem(name))) || [];
  return key === undefined ? undefined : Number(key);
}

const stem = (name: string): string => name.replace(/\.(?:pt|safetensors)$/, "");

const isFolder = async (path: string): Promise<boolean> =>
  await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
