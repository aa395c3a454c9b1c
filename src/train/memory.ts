// What a run needs of the device's memory, known before its first step.

import { UserError } from "../config/user_error.ts";
import type { BatchShape } from "./batch_source.ts";
import type { Trainer } from "./trainer.ts";

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

/** Bytes of parameters, gradients, optimizer state and average. */
function bytesOfState({ options: { parameters, optimizer }, average }: Trainer): number {
  const floats = optimizer.state.size + (average ? 1 : 0);
  return parameters.bytes + 4 * floats * parameters.elements;
}

/** Refuses a model that cannot be held, before anything is written to the device. */
export function refuseTooLarge(trainer: Trainer): void {
  const bytes = bytesOfState(trainer);
  const { variables, limit } = trainer.options.device.memory();
  if (limit === undefined || variables + bytes <= limit) return;
  throw new UserError({
    place: "model",
    problem: `its parameters, gradients and optimizer state need ${mib(bytes)}, ${mib(limit - variables)} are there`,
    remedy: "use a smaller model, or a device with more memory",
  });
}

/**
 * Plans the largest batches before the first step, so that what cannot fit is refused now.
 *
 * @param training the training batches that may need most memory, at least one.
 * @param validation the same of all validation sets.
 */
export function announceMemory(
  trainer: Trainer,
  training: readonly BatchShape[],
  validation: readonly BatchShape[],
  say: (line: string) => void,
): void {
  const plans = training.map((shape) => ({ shape, bytes: trainer.plan(shape) }));
  const largest = plans.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const validating = validation.map((shape) => trainer.planValidation(shape));
  const temporaries = Math.max(largest.bytes, ...validating);
  const [sentences, source, target] = largest.shape;
  const { limit } = trainer.options.device.memory();
  const pieces = trainer.pieces(largest.shape);
  const cut = pieces > 1 ? `, in ${pieces} pieces` : "";
  say(
    `memory: ${mib(bytesOfState(trainer))} of parameters and state, ${mib(temporaries)} for the largest batches ` +
      `(training: ${sentences} sentences of ${source} and ${target} tokens${cut}), limit ${limit === undefined ? "not known" : mib(limit)}`,
  );
}
