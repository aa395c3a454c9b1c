// A run's spans in the Trace Event Format, which Perfetto and Chrome's tracing page open.
import type { Span } from "../device/device.ts";

/** The document for `--profile`: one complete event per kernel, and the total per op beside it. */
export function traceDocument(spans: readonly Span[]): string {
  const totals = new Map<string, number>();
  for (const { name, duration } of spans) totals.set(name, (totals.get(name) ?? 0) + duration);
  const traceEvents = spans.map(({ name, start, duration, detail }) => ({
    name,
    cat: "op",
    ph: "X",
    pid: 1,
    tid: 1,
    ts: start,
    dur: duration,
    args: { shapes: detail },
  }));
  const byTime = [...totals].sort(([, a], [, b]) => b - a);
  const otherData = Object.fromEntries(
    byTime.map(([name, microseconds]) => [name, `${(microseconds / 1000).toFixed(1)} ms`]),
  );
  return JSON.stringify({ traceEvents, displayTimeUnit: "ms", otherData });
}
