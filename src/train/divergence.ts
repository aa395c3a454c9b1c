import { UserError } from "../config/user_error.ts";

/** Numbers grew out of bounds. Whoever finds out throws this, and the state is never saved. */
export const divergence = (place: string, problem: string): UserError =>
  new UserError({
    place,
    problem,
    remedy:
      "lower --lr, lengthen --warmup-updates or set --clip-norm, and continue from the last " +
      "checkpoint, which is intact",
  });
