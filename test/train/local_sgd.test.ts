import { expect, test } from "bun:test";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { FlatParameters } from "../../src/engine/flat_parameters.ts";
import { LocalSgd } from "../../src/train/local_sgd.ts";

/** PyTorch's SGD with nesterov=True, in float64, on the mean distance from where the round began. */
class Reference {
  private readonly momentum: number[];

  constructor(
    private anchor: number[],
    private readonly lr: number,
    private readonly mu: number,
  ) {
    this.momentum = anchor.map(() => 0);
  }

  step(replicas: readonly (readonly number[])[]): number[] {
    this.anchor = this.anchor.map((anchor, i) => {
      const mean =
        replicas.reduce((sum, replica) => sum + anchor - replica[i], 0) / replicas.length;
      this.momentum[i] = this.mu * this.momentum[i] + mean;
      return anchor - this.lr * (mean + this.mu * this.momentum[i]);
    });
    return this.anchor;
  }
}

test("LocalSgd moves as PyTorch's Nesterov SGD on the mean of what the peers have gone", async () => {
  const device = await openCpuDevice({ threads: 1 });
  const parameters = new FlatParameters([{ name: "w", shape: [64] }]);
  const options = { every: 5, outerLr: 0.7, outerMomentum: 0.9 };
  const sgd = new LocalSgd({ device, parameters, ...options });
  const [{ values, gradients }] = parameters.segments;
  const start = Array.from({ length: 64 }, (_, i) => Math.sin(i));
  device.write(values, Float32Array.from(start));
  const reference = new Reference(start, 0.7, 0.9);
  sgd.begin();
  for (let round = 0; round < 3; round++) {
    const before = Array.from(await device.read(values));
    const replicas = [0, 1, 2].map((peer) =>
      before.map((v, i) => v + Math.cos(i + peer + round) / 9),
    );
    const distances: Float32Array[] = [];
    for (const replica of replicas) {
      device.write(values, Float32Array.from(replica));
      sgd.distance();
      distances.push(Float32Array.from(await device.read(gradients)));
    }
    device.write(
      gradients,
      distances[0].map((d, i) => d + distances[1][i] + distances[2][i]),
    );
    sgd.step(3);
    const expected = reference.step(replicas);
    const after = await device.read(values);
    for (const [i, value] of expected.entries()) expect(after[i]).toBeCloseTo(value, 5);
  }
  await device.close();
});

test("LocalSgd.takeOver() goes to where the round began", async () => {
  const device = await openCpuDevice({ threads: 1 });
  const parameters = new FlatParameters([{ name: "w", shape: [64] }]);
  const sgd = new LocalSgd({ device, parameters, every: 2, outerLr: 1, outerMomentum: 0 });
  const [{ values }] = parameters.segments;
  device.write(values, new Float32Array(64).fill(3));
  sgd.begin();
  device.write(values, new Float32Array(64).fill(4));
  sgd.takeOver();
  expect(await device.read(values)).toEqual(new Float32Array(64).fill(3));
  await device.close();
});
