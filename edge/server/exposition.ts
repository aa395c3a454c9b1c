// Metrics in Prometheus' text format 0.0.4. Our own, because prom-client asks Node for its event
// loop, heap and processes, which workerd does not have.

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels: Labels, amount?: number): void;
}

export interface Histogram {
  observe(labels: Labels, value: number): void;
}

/** One line of a metric, but for its name. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Exposition {
  /** Only grows; the name ends in _total. */
  counter(name: string, help: string): Counter;
  /** Adds up elsewhere: asked for when the metrics are read. */
  collected(kind: "counter" | "gauge", name: string, help: string, read: () => Sample[]): void;
  /** @param bounds upper bounds of the buckets, ascending, without infinity. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
  text(): string;
}

export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function createExposition(): Exposition {
  const families: (() => string)[] = [];
  const names = new Set<string>();
  const family = (kind: string, name: string, help: string, lines: () => string[]): void => {
    if (names.has(name)) throw new Error(`there are two metrics of the name ${name}`);
    names.add(name);
    const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`;
    families.push(() => head + lines().join(""));
  };

  return {
    counter(name, help) {
      const samples = new Map<string, number>();
      family("counter", name, help, () =>
        [...samples].map(([labels, value]) => line(name, labels, value)),
      );
      return {
        add(labels, amount = 1) {
          const key = labelText(labels);
          samples.set(key, (samples.get(key) ?? 0) + amount);
        },
      };
    },
    collected(kind, name, help, read) {
      family(kind, name, help, () =>
        read().map(({ labels, value }) => line(name, labelText(labels), value)),
      );
    },
    histogram(name, help, bounds) {
      const series = new Map<string, Series>();
      family("histogram", name, help, () =>
        [...series.values()].flatMap((each) => histogramLines(name, bounds, each)),
      );
      return {
        observe(labels, value) {
          const key = labelText(labels);
          const found = series.get(key) ?? {
            labels,
            counts: bounds.map(() => 0),
            count: 0,
            sum: 0,
          };
          series.set(key, found);
          found.count++;
          found.sum += value;
          const bucket = bounds.findIndex((bound) => value <= bound);
          if (bucket >= 0) found.counts[bucket]++;
        },
      };
    },
    text: () => families.map((each) => each()).join(""),
  };
}

/** A histogram's numbers for one set of labels; `counts` are not yet cumulative. */
interface Series {
  readonly labels: Labels;
  readonly counts: number[];
  count: number;
  sum: number;
}

function histogramLines(name: string, bounds: readonly number[], series: Series): string[] {
  const { labels, counts, count, sum } = series;
  let below = 0;
  const buckets = bounds.map((bound, i) => {
    below += counts[i];
    return line(`${name}_bucket`, labelText({ ...labels, le: String(bound) }), below);
  });
  return [
    ...buckets,
    line(`${name}_bucket`, labelText({ ...labels, le: "+Inf" }), count),
    line(`${name}_sum`, labelText(labels), sum),
    line(`${name}_count`, labelText(labels), count),
  ];
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels} ${numberText(value)}\n`;
}

/** {route="/v1/score",status="200"}, or nothing. */
function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
