import { UserError } from "../config/user_error.ts";
import type { CriterionSums } from "../criterions/criterion.ts";

/** Numbers grew out of bounds. Whoever finds out throws this, and the state is never saved. */
export const divergence = (place: string, problem: string): UserError =>
  new UserError({
    place,
    problem,
    remedy:
      "lower --lr, lengthen --warmup-updates or set --clip-norm, and continue from the last " +
      "checkpoint, which is intact",
  });

/** @throws what divergence() makes, if the loss or the gradient of an update is not finite. */
export function refuseNotFinite(
  { losses }: CriterionSums,
  gradientNorm: number,
  update: number,
  ids: readonly number[],
): void {
  if (Number.isFinite(losses.loss) && Number.isFinite(gradientNorm)) return;
  throw divergence(
    `update ${update}`,
    `loss ${losses.loss} and gradient norm ${gradientNorm} on sentences ${ids.join(", ")}`,
  );
}
