// fairseq's log lines, which people's scripts read: one JSON object per line, or "key=value".
import { formatFloat, formatGeneral, roundTo } from "./log_format_numbers.ts";
import type { Stats } from "./metrics.ts";

export type LogFormat = "json" | "none" | "simple" | "tqdm";

/** The format asked for, or the default; a bar needs a terminal and becomes "simple" without one. */
export function chooseLogFormat(
  asked: LogFormat | undefined,
  noProgressBar: boolean,
  isTTY: boolean,
): LogFormat {
  const format = asked ?? (noProgressBar ? "simple" : "tqdm");
  return format === "tqdm" && !isTTY ? "simple" : format;
}

/** Where in training a line belongs. */
export interface LogPlace {
  readonly epoch: number;
  /** Updates (or batches) of the epoch done, and in all. */
  readonly done: number;
  readonly size: number;
  /** E.g. "valid on 'valid' subset". */
  readonly label?: string;
}

/** `epoch 002 | valid on 'valid' subset` */
export function prefixOf({ epoch, label }: LogPlace): string {
  const text = `epoch ${String(epoch).padStart(3, "0")}`;
  return label ? `${text} | ${label}` : text;
}

/** `{"epoch": 1, "update": 0.25, "loss": "9.174", ...}`, as Python's json writes it. */
export function jsonProgress(place: LogPlace, stats: Stats): string {
  const update = place.epoch - 1 + place.done / place.size;
  return jsonObject([
    ["epoch", String(place.epoch)],
    ["update", formatFloat(roundTo(update, 3))],
    ...quoted(stats, ""),
  ]);
}

/** `{"epoch": 1, "valid_loss": "8.391", ...}` */
export function jsonSummary(place: LogPlace, tag: string, stats: Stats): string {
  return jsonObject([["epoch", String(place.epoch)], ...quoted(stats, `${tag}_`)]);
}

/** `epoch 002:      5 / 20 loss=8.276, nll_loss=8.2, ...` */
export function simpleProgress(place: LogPlace, stats: Stats): string {
  const done = String(place.done).padStart(5);
  return `${prefixOf(place)}:  ${done} / ${place.size} ${assignments(stats)}`;
}

/** `epoch 002 | loss 8.065 | nll_loss 7.965 | ...` */
export function simpleSummary(place: LogPlace, stats: Stats): string {
  const texts = [...stats].map(([name, value]) => `${name} ${formatGeneral(value)}`);
  return [prefixOf(place), ...texts].join(" | ");
}

/** `loss=8.276, nll_loss=8.2` */
export function assignments(stats: Stats): string {
  return [...stats].map(([name, value]) => `${name}=${formatGeneral(value)}`).join(", ");
}

/** `2025-11-23 21:04:32 | INFO | train | text`, in local time. */
export function logLine(date: Date, source: string, text: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${time} | INFO | ${source} | ${text}`;
}

const quoted = (stats: Stats, prefix: string): [string, string][] =>
  [...stats].map(([name, value]) => [prefix + name, JSON.stringify(formatGeneral(value))]);

const jsonObject = (members: readonly [string, string][]): string =>
  `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(", ")}}`;
