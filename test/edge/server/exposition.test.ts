import { expect, test } from "bun:test";
import { createExposition } from "../../../edge/server/exposition.ts";
import { startServer } from "./harness.ts";

/** The lines of Prometheus' text format 0.0.4. */
const LABEL = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"`;
const NUMBER = String.raw`(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)`;
const wellFormed = [
  /^# HELP [a-zA-Z_:][\w:]* [^\n]+$/,
  /^# TYPE [a-zA-Z_:][\w:]* (counter|gauge|histogram)$/,
  new RegExp(String.raw`^[a-zA-Z_:][\w:]*(?:\{${LABEL}(?:,${LABEL})*\})? ${NUMBER}$`),
];

function malformed(text: string): string[] {
  expect(text.endsWith("\n")).toBe(true);
  const lines = text.split("\n").slice(0, -1);
  return lines.filter((line) => !wellFormed.some((pattern) => pattern.test(line)));
}

test("createExposition() writes counters, what is collected, and escapes", () => {
  const exposition = createExposition();
  const counter = exposition.counter("a_total", "Back\\slash\nand line.");
  counter.add({ path: 'say "hi"\\\n' });
  counter.add({ path: 'say "hi"\\\n' }, 2);
  exposition.collected("gauge", "b", "B.", () => [{ labels: {}, value: Infinity }]);
  const text = exposition.text();
  expect(text).toBe(
    [
      String.raw`# HELP a_total Back\\slash\nand line.`,
      "# TYPE a_total counter",
      String.raw`a_total{path="say \"hi\"\\\n"} 3`,
      "# HELP b B.",
      "# TYPE b gauge",
      "b +Inf",
      "",
    ].join("\n"),
  );
  expect(malformed(text)).toEqual([]);
  expect(() => exposition.counter("b", "again")).toThrow("two metrics of the name b");
});

test("createExposition() writes histograms whose buckets add up", () => {
  const exposition = createExposition();
  const histogram = exposition.histogram("h", "H.", [0.1, 1]);
  for (const value of [0.1, 0.5, 0.5, 7]) histogram.observe({ route: "/" }, value);
  expect(exposition.text().split("\n").slice(2, -1)).toEqual([
    'h_bucket{route="/",le="0.1"} 1',
    'h_bucket{route="/",le="1"} 3',
    'h_bucket{route="/",le="+Inf"} 4',
    'h_sum{route="/"} 8.1',
    'h_count{route="/"} 4',
  ]);
});

test("GET /metrics is well-formed, and what clients send makes it no longer", async () => {
  const { get, post } = await startServer();
  await post("/v1/translate", { text: "a b" });
  await post("/v1/translate", { text: 1 });
  const stream = await post("/v1/translate", { text: "a", stream: true });
  await stream.text();
  for (let i = 0; i < 50; i++) await get(`/nothing-${i}`);
  const response = await get("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  expect(malformed(text)).toEqual([]);
  for (const line of [
    'weft_requests_total{route="/v1/translate",status="200"} 2',
    'weft_requests_total{route="/v1/translate",status="422"} 1',
    'weft_requests_total{route="other",status="404"} 50',
    'weft_request_duration_seconds_count{route="/v1/translate"} 3',
    'weft_tokens_total{model="fake"} 5',
    'weft_model_grown_bytes{model="fake"} 65536',
    'weft_bundle_loads_total{model="fake"} 1',
    "weft_requests_running 0",
  ]) {
    expect(text).toContain(`${line}\n`);
  }
  expect(text).not.toContain("nothing-");
});
