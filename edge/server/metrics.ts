// What a server counts. Labels come from fixed lists, the routes and the loaded models, so that no
// client can make the list of metrics grow.
import { createExposition, type Exposition } from "./exposition.ts";
import type { ModelPool } from "./models.ts";
import type { Queue } from "./queue.ts";

export interface Metrics {
  answered(route: string, status: number): void;
  took(route: string, milliseconds: number): void;
  produced(model: string, tokens: number): void;
  text(): string;
}

/** Seconds: from a short sentence on a fast machine to the default deadline. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(queue: Queue, models: ModelPool): Metrics {
  const exposition = createExposition();
  const requests = exposition.counter(
    "weft_requests_total",
    "Requests answered, by route and status; 499: the client went away.",
  );
  const durations = exposition.histogram(
    "weft_request_duration_seconds",
    "Time from a request's arrival to its answer, or to the end of its stream.",
    BUCKETS,
  );
  const tokens = exposition.counter("weft_tokens_total", "Tokens of the best outputs, by model.");
  exposition.collected("gauge", "weft_requests_running", "Requests that a model works on.", () => [
    { labels: {}, value: queue.running },
  ]);
  exposition.collected("gauge", "weft_requests_waiting", "Requests that wait for a turn.", () => [
    { labels: {}, value: queue.waiting },
  ]);
  describeModels(exposition, models);
  return {
    answered: (route, status) => requests.add({ route, status: String(status) }),
    took: (route, milliseconds) => durations.observe({ route }, milliseconds / 1000),
    produced: (model, amount) => tokens.add({ model }, amount),
    text: () => exposition.text(),
  };
}

function describeModels({ collected }: Exposition, models: ModelPool): void {
  collected(
    "gauge",
    "weft_model_used_bytes",
    "Memory in use, by model: WebAssembly's, or the GPU's where it computes.",
    () =>
      models.list().map(({ name, translator }) => ({
        labels: { model: name },
        value: translator.memory.used,
      })),
  );
  collected("gauge", "weft_model_grown_bytes", "Memory grown to, by model, of the same kind.", () =>
    models.list().map(({ name, translator }) => ({
      labels: { model: name },
      value: translator.memory.grown,
    })),
  );
  collected("counter", "weft_bundle_loads_total", "Bundles loaded, by model.", () =>
    models.counts().map(({ name, loads }) => ({ labels: { model: name }, value: loads })),
  );
  collected("counter", "weft_bundle_refusals_total", "Bundles refused, by model.", () =>
    models.counts().map(({ name, refusals }) => ({ labels: { model: name }, value: refusals })),
  );
}
