import { average as config } from "../config/schemas/average.ts";
import { averageParameters, writeAverage } from "../train/average.ts";
import { findCheckpoints } from "../train/average_discovery.ts";
import { command } from "./command.ts";

export const average = command({
  name: "average",
  summary: "write the mean of several checkpoints",
  config,
  async run(settings, terminal) {
    const paths = await findCheckpoints(settings);
    const progress = terminal.progress("averaging", paths.length);
    try {
      const mean = averageParameters(paths, () => progress.advance());
      await writeAverage(settings.output, mean);
    } finally {
      progress.done();
    }
    for (const path of paths) terminal.log(`averaged ${path}`);
    terminal.line(`${settings.output}: mean of ${paths.length} checkpoints`);
  },
});
