// Every op that stands in kernels/index.ts, on every device present: the forward result against the
// float64 reference, and every gradient against central differences of that reference.
import { expect, test } from "bun:test";
import { ops } from "../../kernels/index.ts";
import { onEveryDevice } from "../support/devices.ts";
import {
  checkForward,
  checkGradient,
  examplesOf,
  hasHalves,
  hash,
  naming,
  SEED,
  strideOf,
} from "../support/op_checks.ts";

onEveryDevice((device) => {
  for (const op of ops) {
    test(`${op.name}() agrees with its reference`, async () => {
      const examples = examplesOf(op).filter(
        (example) => device.kind === "webgpu" || !hasHalves(op, example),
      );
      expect(examples.length).toBeGreaterThan(0);
      const stride = strideOf(device, op.name, 4);
      for (const [number, example] of examples.entries()) {
        if (number % stride !== 0) continue;
        await naming(op, example, () => checkForward(device, op, example));
      }
    });

    if (op.gradient) {
      test(`${op.name}() has the gradient of its reference`, async () => {
        const stride = strideOf(device, op.name, 12);
        for (const [number, example] of examplesOf(op).entries()) {
          if (number % stride !== 0) continue;
          if (device.kind === "cpu" && hasHalves(op, example)) continue;
          const seed = hash(`${op.name} ${number}`) + SEED;
          await naming(op, example, () => checkGradient(device, op, example, seed));
        }
      });
    }
  }
});
