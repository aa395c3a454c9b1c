// A parameter starts with the same bits on every device.
import { expect, test } from "bun:test";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { bindParameters, initializeParameters } from "../../src/models/model.ts";
import { HostRandom } from "../../src/nn/host_random.ts";
import {
  embeddingNormal,
  type Initializer,
  ones,
  xavierUniform,
} from "../../src/nn/initializer.ts";
import { Module, Parameter } from "../../src/nn/module.ts";

/** Adds what it draws into an array of its own to a single number. */
const strange: Initializer = (values, shape, random) => {
  const own = new Float32Array(values.length);
  const first = random.uniform();
  random.fillNormal(own, 2);
  xavierUniform()(values, shape, random);
  for (let i = 0; i < own.length; i++) values[i] += own[i] + first + random.normal();
};

class Parts extends Module {
  readonly tokens = new Parameter([37, 10], embeddingNormal(0.1, 1));
  readonly weight = new Parameter([9, 7], xavierUniform());
  readonly gain = new Parameter([7], ones);
  readonly strange = new Parameter([5, 3], strange);
}

test("initializeParameters() gives the same bits in a device's own memory and by copying", async () => {
  const device = await openCpuDevice({ threads: 2 });
  const found = new Map<string, Float32Array>();
  for (const [kind, shared] of [
    ["in place", device.shared],
    ["copied", undefined],
  ] as const) {
    const parts = new Parts();
    bindParameters(parts);
    const limited = {
      shared,
      write: device.write.bind(device),
    };
    initializeParameters(parts, limited, 5);
    for (const [name, { variable }] of parts.namedParameters()) {
      found.set(`${name} ${kind}`, (await device.read(variable)) as Float32Array);
    }
  }
  for (const [name] of new Parts().namedParameters()) {
    expect(found.get(`${name} in place`)).toEqual(found.get(`${name} copied`) as Float32Array);
  }
  expect(
    found
      .get("tokens in place")
      ?.subarray(10, 20)
      .every((x) => x === 0),
  ).toBe(true);
  await device.close();
});

test("HostRandom goes on with a fresh counter after it has filled an array", () => {
  const [random, other] = [new HostRandom(1, 2), new HostRandom(1, 2)];
  random.uniform();
  random.fillUniform(new Float32Array(5), 1);
  for (let i = 0; i < 12; i++) other.uniform();
  expect(random.uniform()).toBe(other.uniform());
});
