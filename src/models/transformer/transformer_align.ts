// The Transformer whose attention was trained to align words (Garg et al. 2019), as fairseq's
// transformer_align: the same computation, another choice of what is shown as attention.
import { z } from "zod";
import { model } from "../../components.ts";
import { UserError } from "../../config/user_error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ModelContext } from "../model.ts";
import { architectures } from "./architectures.ts";
import { decoderSide, transformerConfig } from "./config.ts";
import type { AttendedLayer } from "./decoder.ts";
import { TransformerModel } from "./transformer.ts";

const alignConfig = z.strictObject({
  ...transformerConfig.shape,
  alignment_heads: z
    .int()
    .min(1)
    .default(1)
    .describe("heads whose attention aligns words, the first ones"),
  alignment_layer: z
    .int()
    .default(4)
    .describe("decoder layer whose attention aligns words, from 0 (-1: the last)"),
  full_context_alignment: z
    .boolean()
    .default(false)
    .describe("align in a pass of its own, in which every output word sees all others"),
});

type AlignConfig = z.output<typeof alignConfig>;

class TransformerAlignModel extends TransformerModel {
  override readonly alignsFinishedOutput: boolean;
  protected override readonly attendedLayer: AttendedLayer;

  constructor(config: AlignConfig, context: ModelContext) {
    super(config, context);
    this.alignsFinishedOutput = config.full_context_alignment;
    this.attendedLayer = attendedLayer(config);
  }

  override forwardWithAttention(
    srcTokens: Tensor,
    prevOutputTokens: Tensor,
  ): { logits: Tensor; attention: Tensor | undefined } {
    const memory = this.encoder.forward(srcTokens);
    const show = (causal: boolean) =>
      this.decoder.forwardWithAttention(prevOutputTokens, memory, this.attendedLayer, { causal });
    if (!this.alignsFinishedOutput) return show(true);
    const logits = this.decoder.forward(prevOutputTokens, memory);
    return { logits, attention: show(false).attention };
  }
}

/** @throws UserError if there is no such layer, or fewer heads. */
function attendedLayer(config: AlignConfig): AttendedLayer {
  const { layers, heads } = decoderSide(config);
  const { alignment_layer: number, alignment_heads } = config;
  const layer = number < 0 ? layers + number : number;
  for (const [flag, value, fits, most] of [
    ["--alignment-layer", number, layer >= 0 && layer < layers, `layers 0 to ${layers - 1}`],
    ["--alignment-heads", alignment_heads, alignment_heads <= heads, `${heads} heads`],
  ] as const) {
    if (fits) continue;
    throw new UserError({
      place: flag,
      problem: `there is no ${value}`,
      remedy: `the decoder has ${most}`,
    });
  }
  return { layer, heads: alignment_heads };
}

export const transformerAlign = model({
  name: "transformer_align",
  config: alignConfig,
  architectures: {
    transformer_wmt_en_de_big_align: architectures.transformer_wmt_en_de_big,
  },
  build: (config, context: ModelContext) => new TransformerAlignModel(config, context),
});
