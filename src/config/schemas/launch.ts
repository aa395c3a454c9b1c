import { z } from "zod";

/** Several processes of one command, on this machine. */
export const launch = z.strictObject({
  processes: z
    .int()
    .min(1)
    .max(1024)
    .describe("processes to start, the peers of one cluster")
    .meta({ aliases: ["-n"] }),
  restarts: z
    .int()
    .min(0)
    .default(0)
    .describe("times that each is started again if a signal ended it, as kill -9 does"),
  command: z
    .array(z.string())
    .min(1)
    .describe("command of weft's for each of them, such as train, and its arguments")
    .meta({ rest: true }),
});
