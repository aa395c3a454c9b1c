import { assignments, type LogPlace, prefixOf } from "./log_format.ts";
import type { Stats } from "./metrics.ts";

const WIDTH = 10;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
// What is shown when not everything fits.
const ESSENTIAL = ["loss", "ppl", "lr"];

/**
 * `epoch 002:  45%|████▌     | 9/20 [00:03<00:04, 2.71it/s, loss=8.276, ppl=294.12, lr=0.0027]`, cut to the
 * columns: share done, time taken and left, rate, and the last logged values.
 *
 * @param seconds since the bar began.
 * @param startedAt what was already done then; the rate leaves it out.
 */
export function progressLine(
  place: LogPlace,
  seconds: number,
  startedAt: number,
  stats: Stats,
  columns: number,
): string {
  const { done, size } = place;
  const share = size > 0 ? Math.min(1, done / size) : 0;
  const rate = seconds > 0 ? (done - startedAt) / seconds : 0;
  const left = rate > 0 ? clock((size - done) / rate) : "?";
  const percent = String(Math.floor(100 * share)).padStart(3);
  const head = `${prefixOf(place)}: ${percent}%|${bar(share)}| ${done}/${size}`;
  const times = `[${clock(seconds)}<${left}, ${rateText(rate)}`;
  for (const shown of [stats, essential(stats)]) {
    const line = `${head} ${[times, assignments(shown)].filter(Boolean).join(", ")}]`;
    if (line.length <= columns) return line;
  }
  return `${head} ${times}]`.slice(0, Math.max(0, columns));
}

function essential(stats: Stats): Stats {
  return new Map([...stats].filter(([name]) => ESSENTIAL.includes(name)));
}

function bar(share: number): string {
  const eighths = Math.floor(share * WIDTH * 8);
  const filled = "█".repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? "");
  return filled.padEnd(WIDTH);
}

function rateText(rate: number): string {
  if (rate === 0) return "?it/s";
  return rate < 1 ? `${(1 / rate).toFixed(2)}s/it` : `${rate.toFixed(2)}it/s`;
}

/** 00:07, 12:34, 1:02:03 */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = `${two(minutes)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
