import { z } from "zod";
import { device as deviceSchema } from "../config/schemas/device.ts";
import { UserError } from "../config/user_error.ts";
import { openDevice } from "../device/open_device.ts";
import { tuneModel } from "../measure/tune.ts";
import { command } from "./command.ts";

export const tune = command({
  name: "tune",
  summary: "choose a GPU's kernels for a model ahead of its training and decoding, by timing them",
  config: {
    tune: z.strictObject({
      arch: z.string().default("transformer").describe("architecture whose shapes are measured"),
      vocabulary: z
        .int()
        .min(8)
        .default(32_768)
        .describe("types of the dictionary that both languages share"),
      max_tokens: z.int().min(1).default(4096).describe("as training will be given"),
      beam: z.int().min(0).default(5).describe("as generate will be given; 0 leaves decoding out"),
      batch_size: z.int().min(1).default(32).describe("as generate will be given"),
      fp16: z.boolean().default(false).describe("as training will be given"),
    }),
    device: deviceSchema,
  },
  async run(
    { tune: { arch, vocabulary, max_tokens: maxTokens, beam, batch_size, fp16 }, device: wish },
    terminal,
    c,
  ) {
    // Whoever runs this wants it: on software adapters, too.
    const say = (line: string): void => terminal.log(line);
    const device = await openDevice({ ...wish, autotune: wish.autotune ?? true }, say);
    try {
      if (device.tune === undefined) {
        throw new UserError({
          place: "--device",
          problem: `there is nothing to choose on ${device.description}`,
          remedy: "name a GPU: --device webgpu, or webgpu:software to try it out",
        });
      }
      const settings = { architecture: arch, vocabulary, fp16 };
      const work = { maxTokens, beam, batchSize: batch_size };
      await tuneModel(device, c.registries, settings, work);
    } finally {
      await device.close();
    }
  },
});
