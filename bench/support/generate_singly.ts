// Milliseconds of each sentence of a set translated alone, one after the other: `weft generate`'s own
// search on its own device, loading left out. Prints a JSON list.
//
//   bun bench/support/generate_singly.ts COUNT GENERATE_FLAGS...
import process from "node:process";
import { generateCommand } from "../../src/cli/generate.ts";
import { StreamTerminal } from "../../src/cli/terminal.ts";
import { sourceOf } from "../../src/generate/generate.ts";
import { openTextTranslator } from "../../src/generate/text_translator.ts";
import { withModels } from "../../src/generate/with_models.ts";

const [count, ...flags] = process.argv.slice(2);
const terminal = new StreamTerminal();
const command = generateCommand(async (config, task, available) => {
  const settings = { device: config.device, profile: undefined };
  await withModels(settings, sourceOf(config, task), available, terminal, async (loaded) => {
    const { translator } = openTextTranslator(loaded, config);
    const set = loaded.task.loadDataset(config.data.gen_subset);
    const ids = Array.from({ length: Math.min(Number(count), set.length) }, (_, i) => i);
    const times: number[] = [];
    // The first round makes the plans, as the peer's does its own preparations.
    for (const round of ["warm", "timed"]) {
      for (const id of ids) {
        const batch = set.batch(Int32Array.of(id));
        if (!batch) continue;
        const began = performance.now();
        await translator.translate(batch);
        if (round === "timed") times.push(performance.now() - began);
      }
    }
    translator.close();
    terminal.line(JSON.stringify(times));
  });
});
await command.execute(flags, terminal);
