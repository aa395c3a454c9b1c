// What `--profile` makes of spans: how much each op and each thing around them took, and a document in the
// Trace Event Format, which Perfetto and Chrome's tracing page open.
import { type Span, WAIT_FOR_GPU } from "../device/spans.ts";

/** Where the time of some spans went, in microseconds. */
export interface Account {
  /** By name, most first. What a span of the host contains is not counted in it again. */
  readonly rows: readonly (readonly [name: string, microseconds: number])[];
  /** Steps, and how long they took. */
  readonly steps: number;
  readonly wall: number;
  /** Of that, what no row tells. */
  readonly elsewhere: number;
}

/**
 * Adds up spans. Where the host waits for a GPU, the time is that of the GPU's kernels, and only the rest is
 * called waiting; kernels that ran while the host did something else are counted beside it.
 */
export function accountOf(spans: readonly Span[]): Account {
  const totals = new Map<string, number>();
  const add = (name: string, microseconds: number) =>
    totals.set(name, (totals.get(name) ?? 0) + microseconds);
  let [steps, wall, elsewhere, onGpu] = [0, 0, 0, 0];
  for (const { span, own } of ownTimes(spans.filter(({ kind }) => kind !== "gpu"))) {
    if (span.kind !== "step") {
      add(span.name, own);
      continue;
    }
    steps++;
    wall += span.duration;
    elsewhere += own;
  }
  for (const { name, duration, kind } of spans) {
    if (kind !== "gpu") continue;
    add(name, duration);
    onGpu += duration;
  }
  const waited = totals.get(WAIT_FOR_GPU);
  if (waited !== undefined) totals.set(WAIT_FOR_GPU, Math.max(0, waited - onGpu));
  const rows = [...totals].sort(([, a], [, b]) => b - a);
  return { rows, steps, wall, elsewhere };
}

/** Each span of the host, and what of its time no span within it took. */
function ownTimes(spans: readonly Span[]): { readonly span: Span; own: number }[] {
  // One that contains another begins before it, or ends after it.
  const sorted = [...spans].sort((a, b) => a.start - b.start || b.duration - a.duration);
  const found: { readonly span: Span; own: number }[] = [];
  const open: { readonly span: Span; own: number }[] = [];
  for (const span of sorted) {
    while (open.length > 0 && endOf(open[open.length - 1].span) <= span.start) open.pop();
    const around = open.at(-1);
    if (around) around.own -= span.duration;
    const entry = { span, own: span.duration };
    open.push(entry);
    found.push(entry);
  }
  return found;
}

const endOf = ({ start, duration }: Span): number => start + duration;

/** The account in one line, for a log: its largest rows. */
export function summaryOf({ rows, steps, wall, elsewhere }: Account): string {
  const total = steps > 0 ? wall : rows.reduce((sum, [, time]) => sum + time, 0);
  const percent = (time: number): string => `${((100 * time) / (total || 1)).toFixed(1)} %`;
  const largest = rows.slice(0, 12).map(([name, time]) => `${name} ${percent(time)}`);
  const known = `${percent(wall - elsewhere)} of ${(wall / 1e6).toFixed(2)} s in ${steps} updates is accounted for: `;
  return (steps > 0 ? known : "") + largest.join(", ");
}

/** The document for `--profile`: one complete event per span, and the account beside it. */
export function traceDocument(spans: readonly Span[]): string {
  const traceEvents = spans.map(({ name, start, duration, detail, kind }) => ({
    name,
    cat: kind,
    ph: "X",
    pid: 1,
    tid: kind === "gpu" ? 2 : 1,
    ts: start,
    dur: duration,
    args: { detail },
  }));
  const { rows, steps, wall, elsewhere } = accountOf(spans);
  const inMilliseconds = (time: number): string => `${(time / 1000).toFixed(1)} ms`;
  const otherData = {
    ...Object.fromEntries(rows.map(([name, time]) => [name, inMilliseconds(time)])),
    ...(steps > 0 && {
      "accounted for": `${inMilliseconds(wall - elsewhere)} of ${inMilliseconds(wall)} in ${steps} updates`,
    }),
  };
  return JSON.stringify({ traceEvents, displayTimeUnit: "ms", otherData });
}
