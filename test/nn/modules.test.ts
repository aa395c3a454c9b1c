// Single modules against fairseq's: outputs, gradients of inputs and of parameters.
import { expect, test } from "bun:test";
import { type Activation, activation, mul } from "../../kernels/elementwise/index.ts";
import { labelSmoothedNll } from "../../kernels/loss/index.ts";
import { permute, reshape } from "../../kernels/movement/index.ts";
import { sum } from "../../kernels/reduce/index.ts";
import { compile, type HostTensor } from "../../src/engine/compile.ts";
import { gradient } from "../../src/engine/gradient.ts";
import { bindParameters } from "../../src/models/model.ts";
import { LayerNorm } from "../../src/nn/layer_norm.ts";
import type { Module } from "../../src/nn/module.ts";
import { MultiheadAttention } from "../../src/nn/multihead_attention.ts";
import {
  LearnedPositionalEmbedding,
  SinusoidalPositionalEmbedding,
  sinusoidalTable,
} from "../../src/nn/positional_embedding.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { constant, type Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { expectTensor, type GoldenTensor, readTensors } from "../support/tensors.ts";

const TOLERANCE = 1e-5;

type Tensors = Map<string, GoldenTensor>;

function at(tensors: Tensors, name: string): GoldenTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the golden has no ${name}`);
  return tensor;
}

const floats = (tensors: Tensors, name: string): HostTensor => at(tensors, name);

const integers = (tensors: Tensors, name: string): HostTensor => {
  const { shape, data } = at(tensors, name);
  return { shape, data: Int32Array.from(data) };
};

const fixed = ({ data, shape }: HostTensor): Tensor => constant(data, shape);

/** T,B,C as fairseq has it <-> B,T,C as weft has it. */
const swapped = (x: Tensor): Tensor => permute(x, [1, 0, 2]);

onEveryDevice((device) => {
  /** Runs y = forward(inputs), checks it, and checks the gradients of sum(y * _w). */
  async function checkModule(
    tensors: Tensors,
    module: Module,
    names: readonly string[],
    forward: (inputs: Readonly<Record<string, Tensor>>) => Tensor,
  ): Promise<void> {
    const parameters = bindParameters(module);
    for (const [name, { value }] of parameters.slots) {
      device.write(value, at(tensors, `param/${name}`).data);
    }
    const slots = [...module.namedParameters()];
    const run = compile(device, "module", (inputs: Record<string, Tensor>) => {
      const y = forward(inputs);
      const loss = sum(mul(y, fixed(floats(tensors, "in/_w"))));
      const wrt = [...names.map((name) => inputs[name]), ...slots.map(([, p]) => p.value)];
      const gradients = gradient(loss, wrt);
      const entries = gradients.map((g, i) => [`g${i}`, g] as const);
      return { y, ...Object.fromEntries(entries) } as Record<string, Tensor>;
    });
    const results = run(Object.fromEntries(names.map((n) => [n, floats(tensors, `in/${n}`)])));
    expectTensor("y", await results.y.read(), at(tensors, "out/y").data, TOLERANCE);
    const keys = [...names.map((n) => `gin/${n}`), ...slots.map(([n]) => `gparam/${n}`)];
    for (const [i, key] of keys.entries()) {
      expectTensor(key, await results[`g${i}`].read(), at(tensors, key).data, TOLERANCE, 1e-5);
    }
    run.release();
  }

  for (const name of ["mha_self_causal", "mha_self_plain", "mha_cross", "mha_cross_kdim"]) {
    goldenTest(
      `MultiheadAttention computes ${name}`,
      `models/modules/${name}.safetensors`,
      async () => {
        const tensors = readTensors(`models/modules/${name}.safetensors`);
        const isCross = tensors.has("in/key");
        const kvDim = isCross ? at(tensors, "in/key").shape[2] : 12;
        const module = new MultiheadAttention({ embedDim: 12, heads: 3, kvDim });
        const padding = tensors.has("in/key_padding_mask")
          ? integers(tensors, "in/key_padding_mask")
          : undefined;
        await checkModule(tensors, module, isCross ? ["query", "key"] : ["query"], (inputs) => {
          const query = swapped(inputs.query);
          const source = isCross ? swapped(inputs.key) : query;
          const kv = module.project(source);
          const mask = padding && fixed(padding);
          return swapped(module.forward(query, kv, mask, { causal: tensors.has("in/attn_mask") }));
        });
      },
    );
  }

  goldenTest("LayerNorm computes layer_norm", "models/modules/layer_norm.safetensors", async () => {
    const tensors = readTensors("models/modules/layer_norm.safetensors");
    const module = new LayerNorm(12);
    await checkModule(tensors, module, ["x"], ({ x }) => module.forward(x));
  });

  for (const width of [7, 8]) {
    const path = `models/modules/sinusoidal_${width}.safetensors`;
    goldenTest(
      `SinusoidalPositionalEmbedding of width ${width} stands where fairseq's does`,
      path,
      async () => {
        const tensors = readTensors(path);
        const { data, shape } = at(tensors, "out/table");
        expectTensor("table", sinusoidalTable(shape[0], width, 1), data, 1e-6);
        const module = new SinusoidalPositionalEmbedding(16, width, 1);
        const run = compile(device, "positions", ({ tokens }: Record<string, Tensor>) => ({
          y: module.forward(tokens),
        }));
        for (const side of ["right", "left", "holes"]) {
          const { y } = run({ tokens: integers(tensors, `in/${side}`) });
          expectTensor(side, await y.read(), at(tensors, `out/${side}`).data, TOLERANCE);
        }
        run.release();
      },
    );
  }

  goldenTest(
    "LearnedPositionalEmbedding computes learned_positions",
    "models/modules/learned_positions.safetensors",
    async () => {
      const tensors = readTensors("models/modules/learned_positions.safetensors");
      const module = new LearnedPositionalEmbedding(12, 12, 1);
      const tokens = integers(tensors, "in/left");
      await checkModule(tensors, module, [], () => module.forward(fixed(tokens)));
    },
  );

  goldenTest(
    "activation() computes fairseq's activation functions",
    "models/modules/activations.safetensors",
    async () => {
      const tensors = readTensors("models/modules/activations.safetensors");
      const names = [...tensors.keys()].flatMap((key) =>
        key.startsWith("out/") ? [key.slice(4)] : [],
      );
      expect(names.length).toBe(8);
      const run = compile(device, "activations", ({ x }: Record<string, Tensor>) =>
        Object.fromEntries(names.map((name) => [name, activation(name as Activation, x)])),
      );
      const results = run({ x: floats(tensors, "in/x") });
      for (const name of names) {
        expectTensor(name, await results[name].read(), at(tensors, `out/${name}`).data, 1e-6, 1e-6);
      }
      run.release();
    },
  );

  goldenTest(
    "labelSmoothedNll() computes label_smoothed_nll_loss",
    "models/modules/label_smoothed_nll_loss.safetensors",
    async () => {
      const tensors = readTensors("models/modules/label_smoothed_nll_loss.safetensors");
      const { cases } = readGolden<{ cases: Record<string, { cases?: Record<string, LossCase> }> }>(
        "models/modules/index.json",
      );
      const logits = floats(tensors, "in/logits");
      const target = integers(tensors, "in/target");
      const N = sizeOf(target.shape);
      for (const [name, expected] of Object.entries(cases.label_smoothed_nll_loss.cases ?? {})) {
        // weft's sums are over the batch; padding is always known.
        if (!expected.reduce || expected.ignore_index === null) continue;
        const run = compile(device, name, (inputs: Record<string, Tensor>) => {
          const rows = reshape(inputs.logits, [N, logits.shape[2]]);
          const [loss, nll] = labelSmoothedNll(rows, reshape(inputs.target, [N]), {
            epsilon: expected.eps,
            padding: 1,
          });
          const [dlogits] = gradient(loss, [inputs.logits]);
          return { loss, nll, dlogits };
        });
        const results = run({ logits, target });
        expectTensor("loss", await results.loss.read(), [expected.loss], 0, 2e-6);
        expectTensor("nll", await results.nll.read(), [expected.nll_loss], 0, 2e-6);
        const want = at(tensors, `grad/${name}`).data;
        expectTensor(name, await results.dlogits.read(), want, TOLERANCE);
        run.release();
      }
    },
  );
});

interface LossCase {
  readonly eps: number;
  readonly ignore_index: number | null;
  readonly reduce: boolean;
  readonly loss: number;
  readonly nll_loss: number;
}

test("sinusoidal embeddings of one size are one table, whatever was made before", () => {
  const numbers = constant(Int32Array.of(3, 4), [2]);
  const tableOf = (rows: number): unknown => {
    const { node } = new SinusoidalPositionalEmbedding(rows, 8, 1).at(numbers);
    const [table] = node.kind === "op" ? node.inputs : [];
    return table?.node.kind === "constant" ? table.node.data : undefined;
  };
  const first = tableOf(16);
  expect(first).toBeInstanceOf(Float32Array);
  expect(tableOf(16)).toBe(first);
  expect(tableOf(17)).toHaveLength(17 * 8);
  expect(tableOf(16)).toEqual(first);
});
