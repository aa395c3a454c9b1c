// Layer norm, and the residual connection with dropout that comes before it in every Transformer.
import { lastOf, rowsOf, ShapeError, sameShape } from "../../src/tensor/shape.ts";
import { applyAll, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { checkDropout, dropoutArguments, optional } from "../dropout_arguments.ts";
import { broadcastTo } from "../movement/index.ts";
import type { CpuDispatch, Op } from "../op.ts";
import type { Dropout } from "../random/index.ts";
import {
  layerNormExamples,
  normGradientExamples,
  residualDropoutNormExamples,
} from "./examples.ts";
import {
  layerNormReference,
  normGradientReference,
  residualDropoutNormReference,
} from "./reference.ts";
import {
  checkNorm,
  gradientInputs,
  type LayerNormAttributes,
  type NormGradientAttributes,
  type ResidualNormAttributes,
  rowBlocks,
  rowStatistics,
} from "./shapes.ts";
import { layerNormWgsl, normGradientWgsl, residualDropoutNormWgsl } from "./wgsl.ts";

/** Scratch for the dropout multipliers of a row, with Philox's margins. */
const multiplierBytes = (C: number): number => 4 * C + 256;

/** Rows that are worth a second thread. */
const grainOf = (C: number): number => Math.max(1, Math.floor(2048 / C));

const layerNormOp: Op<LayerNormAttributes> = {
  name: "layer_norm",
  // x (..., C), gain (C), bias (C) -> y (..., C), mean (...), rstd (...)
  infer(_, inputs) {
    const [x, gain, bias] = inputs;
    checkNorm("layer_norm", inputs, gain, bias);
    return [x, rowStatistics(x), rowStatistics(x)];
  },
  gradient({ inputs: [x, gain], outputs: [, mean, rstd] }, [dy]) {
    if (!dy) return [];
    return applyAll(normGradientOp, { skip: false }, x, gain, mean, rstd, dy);
  },
  reference: layerNormReference,
  cpu({ attributes: { epsilon }, inputs: [x] }) {
    const C = lastOf(x.shape);
    return {
      kernel: "norm_forward",
      arguments: [
        ...[{ input: 0 }, 0, { input: 1 }, { input: 2 }, 0],
        ...[{ output: 0 }, 0, { output: 1 }, { output: 2 }, 0],
        ...[C, { f32: epsilon }, ...dropoutArguments(undefined)],
      ],
      work: rowsOf(x.shape),
      grain: grainOf(C),
    };
  },
  webgpu: layerNormWgsl,
  inPlace: [[0, 0]],
  halfInputs: [0, 1, 2],
  examples: layerNormExamples,
};

const residualDropoutNormOp: Op<ResidualNormAttributes> = {
  name: "residual_dropout_norm",
  // x, residual (..., C), gain, bias (C), [key (4)] -> y, h (..., C), mean, rstd (...)
  infer({ dropout }, inputs) {
    const [x, residual, gain, bias, key] = inputs;
    checkNorm("residual_dropout_norm", inputs, gain, bias);
    if (residual.dtype !== x.dtype || !sameShape(x.shape, residual.shape)) {
      throw new ShapeError("residual_dropout_norm", inputs, "x and residual must be alike");
    }
    if (dropout) checkDropout("residual_dropout_norm", inputs, dropout, key);
    return [x, x, rowStatistics(x), rowStatistics(x)];
  },
  // h passes its gradient on to the residual and, through the mask, to x.
  gradient({ attributes: { dropout }, inputs, outputs }, [dy, dh]) {
    const [, , gain, , key] = inputs;
    const [y, h, mean, rstd] = outputs;
    if (!dy && !dh) return [];
    const intoNorm = dy ?? broadcastTo(scalar(0, y.dtype), y.shape);
    const rest = [...(dh ? [dh] : []), ...(dropout ? [key] : [])];
    const attributes = { skip: dh !== undefined, dropout };
    const operands = [h, gain, mean, rstd, intoNorm, ...rest];
    const [dresidual, dgain, dbias, dx] = applyAll(normGradientOp, attributes, ...operands);
    return [dx ?? dresidual, dresidual, dgain, dbias];
  },
  reference: residualDropoutNormReference,
  cpu({ attributes: { epsilon, dropout }, inputs: [x] }) {
    const C = lastOf(x.shape);
    return {
      kernel: "norm_forward",
      arguments: [
        ...[
          { input: 0 },
          { input: 1 },
          { input: 2 },
          { input: 3 },
          optional(dropout ? 4 : undefined),
        ],
        ...[{ output: 0 }, { output: 1 }, { output: 2 }, { output: 3 }],
        ...[{ scratch: multiplierBytes(C) }, C, { f32: epsilon }],
        ...dropoutArguments(dropout),
      ],
      work: rowsOf(x.shape),
      grain: grainOf(C),
    };
  },
  webgpu: residualDropoutNormWgsl,
  inPlace: [
    [0, 0],
    [1, 1],
  ],
  halfInputs: [0, 1, 2, 3],
  examples: residualDropoutNormExamples,
};

const normGradientOp: Op<NormGradientAttributes> = {
  name: "norm_gradient",
  // h (..., C), gain (C), mean, rstd (...), dy, [skip (..., C)], [key (4)] -> dh, dgain, dbias, [dx]
  infer: ({ dropout }, [h, gain]) => (dropout ? [h, gain, gain, h] : [h, gain, gain]),
  reference: normGradientReference,
  cpu({ attributes, inputs: [h] }): CpuDispatch[] {
    const C = lastOf(h.shape);
    const { rows, perBlock, blocks } = rowBlocks(h);
    const { skip, key } = gradientInputs(attributes);
    const partials = { shared: "partials", bytes: blocks * 2 * C * 4 };
    return [
      {
        kernel: "norm_gradient",
        arguments: [
          ...[0, 1, 2, 3, 4].map((input) => ({ input })),
          ...[optional(skip), optional(key), { output: 0 }],
          attributes.dropout ? { output: 3 } : 0,
          ...[partials, { scratch: multiplierBytes(C) }],
          ...[rows, C, perBlock],
          ...dropoutArguments(attributes.dropout),
        ],
        work: blocks,
      },
      {
        kernel: "norm_column_sums",
        arguments: [partials, { output: 1 }, { output: 2 }, blocks, C],
        work: C,
        grain: 64,
      },
    ];
  },
  webgpu: normGradientWgsl,
  inPlace: [[0, 4]],
  halfInputs: [0, 1, 4, 5],
  examples: normGradientExamples,
};

/**
 * gain (x - mean) / sqrt(variance + epsilon) + bias over the last axis; the variance divides by C.
 *
 * @param x (..., C), f32. @param gain (C). @param bias (C).
 * @throws ShapeError
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  return applyAll(layerNormOp, { epsilon }, x, gain, bias)[0];
}

/**
 * h = residual + dropout(x) and y = layerNorm(h), in one pass over memory.
 *
 * @param x (..., C), f32. @param residual of the same shape. @param gain (C). @param bias (C).
 * @param dropout key is i32 [seed, update, micro-batch, 0]; the mask is that of dropout(x).
 * @returns [y, h]. @throws ShapeError, and RangeError unless 0 <= p < 1.
 */
export function residualDropoutNorm(
  x: Tensor,
  residual: Tensor,
  gain: Tensor,
  bias: Tensor,
  epsilon = 1e-5,
  dropout?: Dropout & { readonly key: Tensor },
): [y: Tensor, h: Tensor] {
  const drops = dropout !== undefined && dropout.p !== 0;
  const attributes = {
    epsilon,
    dropout: drops ? { p: dropout.p, stream: dropout.stream } : undefined,
  };
  const key = drops ? [dropout.key] : [];
  const [y, h] = applyAll(residualDropoutNormOp, attributes, x, residual, gain, bias, ...key);
  return [y, h];
}

export const normOps = [
  layerNormOp,
  residualDropoutNormOp,
  normGradientOp,
] as readonly Op<unknown>[];
