// The explicit list of all ops: the suite, the devices and the compiled binary read it.
import { attentionOps } from "./attention/index.ts";
import { elementwiseOps } from "./elementwise/index.ts";
import { embeddingOps } from "./embedding/index.ts";
import { lossOps } from "./loss/index.ts";
import { matmulOps } from "./matmul/index.ts";
import { movementOps } from "./movement/index.ts";
import { normOps } from "./norm/index.ts";
import type { Op } from "./op.ts";
import { optimizerOps } from "./optimizer/index.ts";
import { randomOps } from "./random/index.ts";
import { reduceOps } from "./reduce/index.ts";
import { searchOps } from "./search/index.ts";
import { softmaxOps } from "./softmax/index.ts";

export const ops = [
  ...elementwiseOps,
  ...movementOps,
  ...reduceOps,
  ...matmulOps,
  ...attentionOps,
  ...softmaxOps,
  ...embeddingOps,
  ...normOps,
  ...randomOps,
  ...searchOps,
  ...optimizerOps,
  ...lossOps,
] as readonly Op<unknown>[];
