// What products mean. Float64, plain loops, never fast.
import type { TensorSpec } from "../../src/tensor/shape.ts";
import { unaryReference } from "../elementwise/reference.ts";
import { NdArray } from "../nd_array.ts";
import type { LinearAttributes } from "./linear.ts";
import { type MatmulAttributes, productOf } from "./shapes.ts";

const specOf = ({ shape }: NdArray): TensorSpec => ({ shape, dtype: "f32" });

/** C[m, n] = sum_k op(A)[m, k] op(B)[k, n], for every matrix of the batch. */
export function matmulReference(attributes: MatmulAttributes, [a, b]: readonly NdArray[]): NdArray {
  const { product, shape } = productOf("matmul", attributes, [specOf(a), specOf(b)]);
  const { transA, transB, M, N, K, lda, ldb, batch, strides } = product;
  const c = NdArray.zeros(shape);
  for (let i = 0; i < batch; i++) {
    const [atA, atB, atC] = strides.map((stride) => i * stride);
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let total = 0;
        for (let k = 0; k < K; k++) {
          const left = a.data[atA + (transA ? k * lda + m : m * lda + k)];
          const right = b.data[atB + (transB ? n * ldb + k : k * ldb + n)];
          total += left * right;
        }
        c.data[atC + m * N + n] = total;
      }
    }
  }
  return c;
}

/** activation(x W^T + bias), and the values before the activation where the op returns them. */
export function linearReference(
  { activation, keepPre }: LinearAttributes,
  [x, weight, bias]: readonly NdArray[],
): NdArray[] {
  const pre = matmulReference({ transA: false, transB: true, merge: true }, [x, weight]);
  const N = weight.shape[0];
  if (bias) for (let i = 0; i < pre.size; i++) pre.data[i] += bias.data[i % N];
  const y = activation === "linear" ? pre : unaryReference(activation, pre);
  return keepPre ? [y, pre] : [y];
}
