// What plug-ins build with: weft's ops, its modules and its models. A plug-in takes them from its
// argument, because inside the compiled binary there is nothing that it could import.
import { attention, attentionWeights } from "../kernels/attention/index.ts";
import {
  abs,
  add,
  affine,
  cast,
  div,
  equal,
  exp,
  gelu,
  geluAccurate,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  reciprocal,
  relu,
  reluSquared,
  sigmoid,
  sign,
  sqrt,
  square,
  sub,
  swish,
  tanh,
  where,
} from "../kernels/elementwise/index.ts";
import { embedding, positions } from "../kernels/embedding/index.ts";
import { accuracy, labelSmoothedNll } from "../kernels/loss/index.ts";
import { linear, matmul } from "../kernels/matmul/index.ts";
import {
  broadcastTo,
  concat,
  gatherRows,
  pad,
  permute,
  reshape,
  slice,
  transpose,
} from "../kernels/movement/index.ts";
import { layerNorm, residualDropoutNorm } from "../kernels/norm/index.ts";
import { dropout, dropoutAdd } from "../kernels/random/index.ts";
import { max, mean, sum } from "../kernels/reduce/index.ts";
import { logSoftmax, logSumExp, softmax } from "../kernels/softmax/index.ts";
import { EncoderDecoderModel } from "./models/model.ts";
import { transformerConfig } from "./models/transformer/config.ts";
import { TransformerModel } from "./models/transformer/transformer.ts";
import { Dropout } from "./nn/dropout.ts";
import { Embedding } from "./nn/embedding.ts";
import * as initializers from "./nn/initializer.ts";
import { LayerNorm } from "./nn/layer_norm.ts";
import { Linear } from "./nn/linear.ts";
import { Module, Parameter } from "./nn/module.ts";
import { MultiheadAttention } from "./nn/multihead_attention.ts";
import {
  LearnedPositionalEmbedding,
  SinusoidalPositionalEmbedding,
} from "./nn/positional_embedding.ts";
import { constant, scalar } from "./tensor/tensor.ts";

/** Functions of tensors; each has a gradient where one exists. */
export const ops = {
  // fixed data
  ...{ constant, scalar },
  // element by element
  ...{ abs, add, affine, cast, div, equal, exp, gelu, geluAccurate, less, log, maximum, minimum },
  ...{
    mul,
    neg,
    reciprocal,
    relu,
    reluSquared,
    sigmoid,
    sign,
    sqrt,
    square,
    sub,
    swish,
    tanh,
    where,
  },
  // moving, reducing, multiplying
  ...{ broadcastTo, concat, gatherRows, pad, permute, reshape, slice, transpose },
  ...{ max, mean, sum, linear, matmul },
  // layers and losses
  ...{ attention, attentionWeights, dropout, dropoutAdd, embedding, positions },
  ...{ layerNorm, residualDropoutNorm, logSoftmax, logSumExp, softmax },
  ...{ accuracy, labelSmoothedNll },
} as const;

/** Modules and how their parameters start. */
export const nn = {
  ...{ Module, Parameter, Linear, Embedding, LayerNorm, Dropout, MultiheadAttention },
  ...{ LearnedPositionalEmbedding, SinusoidalPositionalEmbedding, initializers },
} as const;

/** Models to extend: the interface, and the Transformer with its settings. */
export const modelClasses = { EncoderDecoderModel, TransformerModel, transformerConfig } as const;
