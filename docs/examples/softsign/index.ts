// Softsign, an activation that saturates slowly. Bergstra et al. 2009, section 2.1.
import { abs, affine, mul, square } from "../../../kernels/elementwise/index.ts";
import type { Example, ExampleRandom, NoAttributes, Op } from "../../../kernels/op.ts";
import { isFloat, ShapeError, sizeOf } from "../../../src/tensor/shape.ts";
import { apply, type Tensor } from "../../../src/tensor/tensor.ts";
import { softsignReference } from "./reference.ts";
import { softsignWgsl } from "./wgsl.ts";

export const softsignOp: Op<NoAttributes> = {
  name: "softsign",
  infer(_, [x]) {
    if (!isFloat(x.dtype)) throw new ShapeError("softsign", [x], "needs floats");
    return [x]; // (...) -> (...)
  },
  // dx = dy / (1 + |x|)^2 = dy (1 - |y|)^2: needs only the output, so x may be freed early.
  gradient({ outputs: [y] }, [dy]) {
    return dy ? [mul(dy, square(affine(abs(y), -1, 1)))] : [];
  },
  reference: softsignReference,
  cpu: ({ inputs: [x] }) => ({
    kernel: "softsign",
    arguments: [{ input: 0 }, { output: 0 }],
    work: sizeOf(x.shape),
    grain: 2048, // fewer elements are not worth a second thread
  }),
  webgpu: softsignWgsl,
  inPlace: [[0, 0]],
  halfInputs: "all",
  examples,
};

/** Odd sizes, one element, none; a wide range is not differentiated, differences lose it. */
function examples(random: ExampleRandom): readonly Example<NoAttributes>[] {
  const array = (shape: readonly number[], scale: number) => {
    const data = Float64Array.from({ length: sizeOf(shape) }, () => scale * random.normal());
    return { shape, dtype: "f32" as const, data };
  };
  return [
    { name: "a matrix", attributes: {}, inputs: [array([random.int(2, 9), 5], 1)] },
    { name: "one element", attributes: {}, inputs: [array([1], 1)] },
    { name: "no element", attributes: {}, inputs: [array([0, 3], 1)] },
    { name: "wide range", attributes: {}, inputs: [array([37], 1e4)], differentiate: [] },
  ];
}

/** x / (1 + |x|), in (-1, 1). */
export const softsign = (x: Tensor): Tensor => apply(softsignOp, {}, x);
