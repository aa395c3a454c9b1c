import { z } from "zod";
import { device } from "../config/schemas/device.ts";
import { openDevice } from "../device/open_device.ts";
import { bench as measure } from "../measure/bench.ts";
import { command } from "./command.ts";

export const bench = command({
  name: "bench",
  summary: "measure a device: matrix products by kernel, training of Transformers",
  config: {
    bench: z.strictObject({
      only: z.enum(["products", "training"]).optional().describe("measure this part alone"),
      small: z
        .boolean()
        .default(false)
        .describe("small shapes, for processors and software adapters"),
      max_tokens: z
        .int()
        .min(1)
        .optional()
        .describe("padded target tokens of a batch (unset: 4096, or 256 with --small)"),
      json: z.boolean().default(false).describe("print one JSON document instead of lines"),
    }),
    device,
  },
  async run({ bench: { only, small, max_tokens: maxTokens, json }, device }, terminal, context) {
    const parts = only === undefined ? (["products", "training"] as const) : [only];
    const said = new Set<string>();
    // Every model gets a device of its own; they are all alike.
    const open = () =>
      openDevice(device, (line) => {
        if (!said.has(line)) terminal.log(line);
        said.add(line);
      });
    const line = (text: string): void => (json ? terminal.log(text) : terminal.line(text));
    const report = await measure(open, context.registries, { parts, small, maxTokens }, line);
    if (json) terminal.line(JSON.stringify(report, null, 1));
  },
});
