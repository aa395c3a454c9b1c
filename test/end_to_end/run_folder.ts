// What a training run leaves behind: its checkpoints, and the numbers in its log.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "../../bench/support/statistics.ts";
import { readSafetensors } from "../../src/interop/safetensors.ts";
import { openCheckpoint } from "../../src/train/checkpoint_file.ts";
import type { CheckpointRecord } from "../../src/train/checkpoint_record.ts";

/** Names in a checkpoint folder, in order. */
export const filesIn = (folder: string): string[] => readdirSync(folder).sort();

/** The training record of a checkpoint. */
export function recordOf(path: string): CheckpointRecord {
  const file = openCheckpoint(path);
  file.close();
  return file.record;
}

/** Bytes of every tensor (parameters, moments, averages) by name, as text that a diff can show. */
export function tensorsOf(path: string): Record<string, string> {
  const { tensors } = readSafetensors(path);
  return Object.fromEntries(
    [...tensors].map(([name, { bytes }]) => [name, Buffer.from(bytes).toString("base64")]),
  );
}

/**
 * Of the time of an update, the share that the spans in a `--profile` file cover: the median of its updates,
 * since one may be held up by the collector or by another process.
 */
export function accountedFor(profile: string): number {
  interface Event {
    readonly cat: string;
    readonly tid: number;
    readonly ts: number;
    readonly dur: number;
  }
  const all: Event[] = JSON.parse(readFileSync(profile, "utf8")).traceEvents;
  const parts = all.filter(({ cat, tid }) => cat !== "step" && tid === 1);
  parts.sort((a, b) => a.ts - b.ts);
  const shares = all
    .filter(({ cat }) => cat === "step")
    .map(({ ts, dur }) => {
      let [covered, end] = [0, ts];
      for (const part of parts) {
        if (part.ts < ts || part.ts > ts + dur) continue;
        covered += Math.max(0, part.ts + part.dur - Math.max(end, part.ts));
        end = Math.max(end, part.ts + part.dur);
      }
      return covered / dur;
    });
  return median(shares);
}

/** Names and values of measured times, which no two runs share. */
const TIMES = /^(seconds|update_seconds|wall|training_seconds)$/;

/** A checkpoint as a whole, times and the folder's own path left out. */
export function stateOf(folder: string, name = "checkpoint_last.safetensors"): unknown {
  const { config: _, ...record } = recordOf(join(folder, name));
  const untimed = JSON.stringify(record, (key, value) => (TIMES.test(key) ? undefined : value));
  return { record: JSON.parse(untimed), tensors: tensorsOf(join(folder, name)) };
}

/** Names of measured rates, and of what only a cluster logs. */
const RATES = /(^|_)(wps|ups|wall)$|^(members|generation|exchanged_mb|hidden|wps_\d+)$/;

/**
 * The numbers of a log in the format json, by source and place ("valid 12"): times left out, and what a
 * cluster adds.
 * A place that occurs twice must say the same twice.
 */
export function loggedValues(lines: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of lines) {
    const [, source, json] = / \| INFO \| (\w+) \| (\{.*\})$/.exec(line) ?? [];
    if (json === undefined) continue;
    const entries = Object.entries(JSON.parse(json) as Record<string, unknown>).filter(
      ([name]) => !RATES.test(name),
    );
    const [, updates] = entries.find(([name]) => name.endsWith("num_updates")) ?? [];
    const place = `${source} ${updates}`;
    const value = JSON.stringify(Object.fromEntries(entries));
    const known = values.get(place);
    if (known !== undefined && known !== value) {
      throw new Error(`${place} was logged as ${known} and as ${value}`);
    }
    values.set(place, value);
  }
  return values;
}
