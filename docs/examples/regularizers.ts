// A plug-in of two regularisers: a criterion and a model with an architecture of its own.
import type { WeftPlugin } from "../../src/plugin.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const plugin: WeftPlugin = (weft) => {
  const { ops, nn, z } = weft;
  const integer = (value: number): Tensor => ops.constant(Int32Array.of(value), []);
  // -log p(y) - weight * entropy(p), summed over target tokens. Pereyra et al. 2017.
  const confidencePenalty = weft.criterion({
    name: "confidence_penalty",
    config: z.strictObject({
      penalty_weight: z.number().default(0.1).describe("worth of entropy"),
    }),
    build: ({ penalty_weight }, { padding, sentenceAvg }) => ({
      forward(model, { srcTokens, prevOutputTokens, target }) {
        const logits = model.forward(srcTokens, prevOutputTokens); // (B, T, V)
        const rows = ops.reshape(logits, [target.size, logits.shape[2]]);
        const labels = ops.reshape(target, [target.size]);
        const [nll_loss] = ops.labelSmoothedNll(rows, labels, { epsilon: 0, padding });
        const logp = ops.logSoftmax(rows);
        const entropies = ops.neg(ops.sum(ops.mul(ops.exp(logp), logp), { axis: -1 })); // (B T)
        const isPadding = ops.equal(labels, integer(padding));
        const entropy = ops.sum(ops.where(isPadding, ops.scalar(0), entropies));
        return { loss: ops.sub(nll_loss, ops.affine(entropy, penalty_weight, 0)), nll_loss };
      },
      sampleSize: ({ ntokens, nsentences }) => (sentenceAvg ? nsentences : ntokens),
      metrics({ losses, sampleSize, ntokens }) {
        const nll_loss = losses.nll_loss / ntokens / Math.LN2;
        return { loss: losses.loss / sampleSize / Math.LN2, nll_loss, ppl: 2 ** nll_loss };
      },
    }),
  });

  // In training, source words become <unk> with this probability; the first 4 symbols are no words.
  const source_mask = z.number().min(0).lt(1).default(0.1).describe("probability to hide a word");
  class MaskedTransformer extends weft.TransformerModel {
    hide = new nn.Dropout(0);
    override forward(srcTokens: Tensor, prevOutputTokens: Tensor): Tensor {
      const ones = ops.broadcastTo(ops.scalar(1), srcTokens.shape); // (B, S)
      const isShown = ops.less(ops.scalar(0), this.hide.forward(ones)); // outside training: all
      const words = ops.where(isShown, srcTokens, integer(3));
      const isSymbol = ops.less(srcTokens, integer(4));
      return super.forward(ops.where(isSymbol, srcTokens, words), prevOutputTokens);
    }
  }
  const transformerMasked = weft.model({
    name: "transformer_masked",
    config: weft.transformerConfig.extend({ source_mask }),
    architectures: { transformer_masked_tiny: { encoder_layers: 1, decoder_layers: 1 } },
    build(config, context) {
      const hide = new nn.Dropout(config.source_mask);
      return Object.assign(new MaskedTransformer(config, context), { hide });
    },
  });
  weft.criterions.add(confidencePenalty);
  weft.models.add(transformerMasked);
};

export default plugin;
