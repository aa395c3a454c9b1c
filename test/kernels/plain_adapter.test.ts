// Kernels for an adapter without subgroups and with little workgroup memory: trees in place of subgroups,
// rows in place of attention's tiles. The op suite runs what the adapter at hand prefers.
import { afterAll, expect, test } from "bun:test";
import { ops } from "../../kernels/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import { softmax } from "../../kernels/softmax/index.ts";
import { read } from "../../src/engine/compile.ts";
import { constant } from "../../src/tensor/tensor.ts";
import { checkForward, examplesOf, hasHalves, naming } from "../support/op_checks.ts";
import { seededRandom } from "../support/random.ts";
import { openAs, webgpu } from "../support/webgpu.ts";

const REDUCING =
  /softmax|log_sum_exp|norm|nll|accuracy|^sum$|^max$|square_sum|top_k|attention(?!_weights)/;

if ("reason" in webgpu) test.skip(`a plain adapter (${webgpu.reason})`, () => {});
else {
  const plain = await openAs({ subgroups: undefined, maxWorkgroupMemory: 4096 });
  afterAll(() => plain.close());
  for (const op of ops.filter(({ name }) => REDUCING.test(name))) {
    test(`${op.name}() agrees with its reference on a plain adapter`, async () => {
      const examples = examplesOf(op).filter((example) => !hasHalves(op, example));
      for (const example of examples.filter((_, number) => number % 4 === 1)) {
        await naming(op, example, () => checkForward(plain, op, example));
      }
    });
  }

  for (const [name, device] of Object.entries({
    "the adapter": webgpu,
    "a plain adapter": plain,
  })) {
    test(`reductions on ${name} give the same bits twice`, async () => {
      const random = seededRandom(3);
      const data = Float32Array.from({ length: 50_000 }, () => random.normal());
      for (const reduce of [squareSum, softmax]) {
        const [first, second] = [0, 1].map(() => read(device, reduce(constant(data, [5, 10_000]))));
        expect(await first).toEqual(await second);
      }
    });
  }
}
