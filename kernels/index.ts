// The explicit list of all ops: the suite, the devices and the compiled binary read it.
import { elementwiseOps } from "./elementwise/index.ts";
import { embeddingOps } from "./embedding/index.ts";
import { movementOps } from "./movement/index.ts";
import type { Op } from "./op.ts";
import { randomOps } from "./random/index.ts";
import { reduceOps } from "./reduce/index.ts";

export const ops = [
  ...elementwiseOps,
  ...movementOps,
  ...reduceOps,
  ...randomOps,
  ...embeddingOps,
] as readonly Op<unknown>[];
