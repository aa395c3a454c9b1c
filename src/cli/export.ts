import { exportBundle } from "../../edge/export/export.ts";
import { compileKernels } from "../../edge/platforms/file_kernels.ts";
import { exportFlags } from "../config/schemas/export.ts";
import { textCodec } from "../config/schemas/text_codec.ts";
import { SubwordNmt } from "../data/bpe/subword_nmt.ts";
import { bpeCodes } from "../generate/text_codec.ts";
import { chooseTaskToDecode } from "../registries.ts";
import { command } from "./command.ts";
import { taskFlags } from "./task_flags.ts";

export const exportCommand = command({
  name: "export",
  summary: "write a checkpoint as a small bundle that decodes at the edge",
  config: { export: exportFlags, task: chooseTaskToDecode, text: textCodec },
  async run(config, terminal, invocation) {
    const { tokenizer, bpe_separator: separator } = config.text;
    const codes = bpeCodes(config.text);
    // Read now, so that a file without codes is refused before anything is computed.
    if (codes) new SubwordNmt(codes.text, codes.path, { separator });
    const bpe = codes && { codes: codes.text, separator };
    const options = { ...config.export, tokenizer, bpe };
    const task = taskFlags(config.task, invocation.settings);
    const kernels = await compileKernels();
    const card = await exportBundle(options, invocation, task, kernels, terminal);
    const { out, quantize } = config.export;
    terminal.line(`${out}: ${card.parameters} parameters of ${card.name} as ${quantize}`);
  },
});
