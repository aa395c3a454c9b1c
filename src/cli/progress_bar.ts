/** What a progress bar shows. */
export interface ProgressState {
  readonly label: string;
  readonly done: number;
  /** Absent when nobody knows how much work there is. */
  readonly total?: number;
  readonly seconds: number;
  /** Further values, shown in this order: loss, ppl. */
  readonly values: Readonly<Record<string, string>>;
}

const width = 20;

/**
 * One line of at most `columns` characters:
 * `training [#####               ] 25/100 3.1/s 0:24 left, loss 4.21`.
 */
export function renderProgress(state: ProgressState, columns: number): string {
  const { label, done, total, seconds, values } = state;
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [label];
  if (total !== undefined && total > 0) {
    const filled = Math.min(width, Math.floor((done / total) * width));
    parts.push(`[${"#".repeat(filled)}${" ".repeat(width - filled)}]`);
  }
  parts.push(total === undefined ? `${done}` : `${done}/${total}`);
  if (rate > 0) parts.push(`${formatRate(rate)}/s`);
  if (rate > 0 && total !== undefined) parts.push(`${formatDuration((total - done) / rate)} left`);
  else parts.push(formatDuration(seconds));
  const tail = Object.entries(values).map(([name, value]) => `, ${name} ${value}`);
  return (parts.join(" ") + tail.join("")).slice(0, Math.max(columns, 0));
}

/** Three significant digits: 0.0321, 3.21, 321, 12345. */
function formatRate(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
}

/** 0:07, 12:34, 1:02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  const rest = `${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}
