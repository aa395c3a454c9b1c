// Matrix products: linear layers with bias and activation in one pass, and products in every form.
import type { Op } from "../op.ts";
import { linearOp } from "./linear.ts";
import { matmulAddedOp, matmulOp } from "./matmul.ts";

export type { Activation } from "../elementwise/index.ts";
export { linear } from "./linear.ts";
export { type MatmulOptions, matmul, matmulOfRows } from "./matmul.ts";

export const matmulOps = [matmulOp, matmulAddedOp, linearOp] as readonly Op<unknown>[];
