// Losses over a vocabulary, fused with the log-softmax before them.
import { f32, isFloat, ShapeError, sameShape, type TensorSpec } from "../../src/tensor/shape.ts";
import { apply, applyAll, scalar, type Tensor } from "../../src/tensor/tensor.ts";
import { mul } from "../elementwise/index.ts";
import type { CpuDispatch, Op } from "../op.ts";
import { accuracyExamples, lossExamples, lossGradientExamples } from "./examples.ts";
import {
  accuracyReference,
  labelSmoothedNllReference,
  lossGradientReference,
} from "./reference.ts";
import { accuracyWgsl, lossGradientWgsl, lossWgsl } from "./wgsl.ts";

export interface LossAttributes {
  /** Probability taken from the target and spread over the other V - 1 tokens. */
  readonly epsilon: number;
  /** Rows with this target cost nothing. */
  readonly padding: number;
}

export interface LossOptions extends LossAttributes {
  /** Computes the gradient beside the loss, in one pass: for training, not for validation. Default false. */
  readonly differentiate?: boolean;
}

export interface LossGradientAttributes extends LossAttributes {
  /** The gradient of the plain sum is an input too. */
  readonly nll: boolean;
}

export type AccuracyAttributes = Pick<LossAttributes, "padding">;

/** @throws ShapeError unless logits are (N, V), V >= 2, and target is i32 (N). */
function checkRows(op: string, inputs: readonly TensorSpec[]): void {
  const [logits, target] = inputs;
  const [N, V] = logits.shape;
  if (logits.shape.length !== 2 || !isFloat(logits.dtype)) {
    throw new ShapeError(op, inputs, "logits must be floats (N, V)");
  }
  if (V < 2) throw new ShapeError(op, inputs, "a vocabulary has at least 2 tokens");
  if (target.dtype !== "i32" || !sameShape(target.shape, [N])) {
    throw new ShapeError(op, inputs, `target must be i32(${N})`);
  }
}

/** Whether a scalar is the constant 1, as the gradient of what is differentiated itself. */
const isOne = ({ node, size }: Tensor): boolean =>
  node.kind === "constant" && size === 1 && node.data[0] === 1;

/** Second dispatch of the sums: row pairs into two scalars. */
const sumPairs = (N: number): CpuDispatch => ({
  kernel: "loss_sum_pairs",
  arguments: [{ shared: "pairs", bytes: 8 * N }, { output: 0 }, { output: 1 }, N],
  work: 1,
});

const lossOp: Op<LossOptions> = {
  name: "label_smoothed_nll",
  // logits (N, V), target (N) -> loss (), nll (), lse (N), [gradient of loss (N, V)]
  infer({ differentiate }, inputs) {
    checkRows("label_smoothed_nll", inputs);
    const [logits] = inputs;
    return [f32(), f32(), f32(logits.shape[0]), ...(differentiate ? [logits] : [])];
  },
  gradient({ attributes, inputs: [logits, target], outputs }, [dloss, dnll]) {
    const [, , lse, known] = outputs;
    if (!dloss && !dnll) return [];
    if (known && dloss && !dnll) return [isOne(dloss) ? known : mul(known, dloss)];
    const { epsilon, padding } = attributes;
    const operands = [logits, target, lse, dloss ?? scalar(0), ...(dnll ? [dnll] : [])];
    return [apply(lossGradientOp, { epsilon, padding, nll: dnll !== undefined }, ...operands)];
  },
  reference: labelSmoothedNllReference,
  cpu({ attributes: { epsilon, padding, differentiate }, inputs: [logits] }) {
    const [N, V] = logits.shape;
    return [
      {
        kernel: "loss_rows",
        arguments: [
          ...[{ input: 0 }, { input: 1 }, { output: 2 }, { shared: "pairs", bytes: 8 * N }],
          differentiate ? { output: 3 } : 0,
          ...[V, { f32: epsilon }, padding],
        ],
        work: N,
      },
      sumPairs(N),
    ];
  },
  webgpu: lossWgsl,
  inPlace: [[3, 0]],
  halfInputs: [0],
  examples: lossExamples,
};

const lossGradientOp: Op<LossGradientAttributes> = {
  name: "label_smoothed_nll_gradient",
  // logits, target, lse, dloss (), [dnll ()] -> dlogits
  infer: (_, [logits]) => [logits],
  reference: lossGradientReference,
  cpu({ attributes: { epsilon, padding, nll }, inputs: [logits] }) {
    const [N, V] = logits.shape;
    return {
      kernel: "loss_gradient",
      arguments: [
        ...[0, 1, 2, 3].map((input) => ({ input })),
        ...[nll ? { input: 4 } : 0, { output: 0 }],
        ...[V, { f32: epsilon }, padding],
      ],
      work: N,
    };
  },
  webgpu: lossGradientWgsl,
  inPlace: [[0, 0]],
  halfInputs: [0],
  examples: lossGradientExamples,
};

const accuracyOp: Op<AccuracyAttributes> = {
  name: "accuracy",
  // logits (N, V), target (N) -> correct (), total ()
  infer(_, inputs) {
    checkRows("accuracy", inputs);
    return [f32(), f32()];
  },
  reference: accuracyReference,
  cpu({ attributes: { padding }, inputs: [logits] }) {
    const [N, V] = logits.shape;
    return [
      {
        kernel: "loss_count_rows",
        arguments: [
          ...[{ input: 0 }, { input: 1 }, { shared: "pairs", bytes: 8 * N }],
          ...[V, padding],
        ],
        work: N,
      },
      sumPairs(N),
    ];
  },
  webgpu: accuracyWgsl,
  halfInputs: [0],
  examples: accuracyExamples,
};

/**
 * Label-smoothed negative log-likelihood, summed over rows that are not padding, in nats:
 * (1 - e - e/(V-1)) * -logp[target] + e/(V-1) * sum_v -logp[v].
 *
 * @param logits (N, V), f32. The gradient takes their storage when nobody else needs them.
 * @param target (N), i32 in [0, V); rows equal to `padding` cost nothing and get no gradient.
 * @returns [loss, nll], scalars f32: with smoothing, and -logp[target] alone. Divide by
 * sample_size, never by N.
 * @throws ShapeError if the row counts differ. No broadcasting here.
 *
 * Source: Szegedy et al. 2016, section 7; smoothing mass e/(V-1) as fairseq 0.12.
 */
export function labelSmoothedNll(
  logits: Tensor,
  target: Tensor,
  { epsilon, padding, differentiate = false }: LossOptions,
): [loss: Tensor, nll: Tensor] {
  // Halves take the gradient of a scaled loss: stored without its scale, small ones would be zeros.
  const attributes = { epsilon, padding, differentiate: differentiate && logits.dtype === "f32" };
  const [loss, nll] = applyAll(lossOp, attributes, logits, target);
  return [loss, nll];
}

/**
 * How many rows have their largest logit at the target (the first of equal ones counts), and how
 * many rows are not padding. No gradient.
 *
 * @param logits (N, V), f32. @param target (N), i32.
 * @returns [correct, total], scalars f32: whole numbers, exact below 2^24.
 * @throws ShapeError as labelSmoothedNll.
 */
export function accuracy(
  logits: Tensor,
  target: Tensor,
  { padding }: AccuracyAttributes,
): [correct: Tensor, total: Tensor] {
  const [correct, total] = applyAll(accuracyOp, { padding }, logits, target);
  return [correct, total];
}

export const lossOps = [lossOp, lossGradientOp, accuracyOp] as readonly Op<unknown>[];
