// The explicit list of all ops: the suite, the devices and the compiled binary read it.
import type { Op } from "./op.ts";

export const ops: readonly Op<unknown>[] = [];
