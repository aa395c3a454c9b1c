// The adam and clip_coefficient ops against the optimiser of fairseq, on every device.
import { expect } from "bun:test";
import { add, mul } from "../../kernels/elementwise/index.ts";
import { adam, clipCoefficient } from "../../kernels/optimizer/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import type { Device } from "../../src/device/device.ts";
import { compile } from "../../src/engine/compile.ts";
import { readSafetensors } from "../../src/interop/safetensors.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onEveryDevice } from "../support/devices.ts";
import { goldenPath, goldenTest, readGolden } from "../support/golden.ts";

const FOLDER = "training/optim";
const NAMES = ["w", "b", "c"] as const;
/** The folder's README: measured differences are below 5.1e-7. */
const TOLERANCE = 5e-6;

interface Settings {
  readonly lr: number;
  readonly adam_betas?: string;
  readonly adam_eps?: number;
  readonly weight_decay?: number;
}

interface AdamGolden {
  readonly steps: number;
  readonly lr_multiplier_per_step: readonly number[];
  readonly no_gradient_at_step: Readonly<Record<string, number>>;
  readonly variants: readonly { readonly settings: Settings }[];
}

interface ClipGolden {
  readonly clip_grad_norm_: readonly {
    readonly case: number | string;
    readonly scale?: number;
    readonly max_norm: number;
    readonly missing_gradients?: readonly string[];
    readonly returned_norm: number;
  }[];
}

function readTensors(file: string): (name: string) => Float32Array {
  const { tensors } = readSafetensors(goldenPath(`${FOLDER}/${file}`));
  return (name) => {
    const bytes = tensors.get(name)?.bytes;
    if (!bytes) throw new Error(`${file} has no ${name}`);
    return new Float32Array(bytes.slice().buffer);
  };
}

/** Row `index` of an array whose first axis has `count` entries. */
const rowOf = (data: Float32Array, index: number, count: number): Float32Array =>
  data.slice((data.length / count) * index, (data.length / count) * (index + 1));

function expectClose(got: ArrayLike<number>, want: Float32Array, tolerance: number): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i] - want[i])).toBeLessThanOrEqual(tolerance);
  }
}

/** A compiled step of one parameter. */
function adamStep(device: Device) {
  type Name = "p" | "g" | "m" | "v" | "scalars" | "multiplier";
  const run = compile(device, "adam", (x: Readonly<Record<Name, Tensor>>) => {
    const [p, m, v] = adam(x.p, x.g, x.m, x.v, x.scalars, x.multiplier);
    return { p, m, v };
  });
  return async (arrays: readonly Float32Array[], scalars: Float32Array) => {
    const [p, g, m, v] = arrays.map((data) => ({ data, shape: [data.length] }));
    const multiplier = { data: Float32Array.of(1), shape: [] };
    const results = run({ p, g, m, v, scalars: { data: scalars, shape: [8] }, multiplier });
    const read = [results.p, results.m, results.v].map((pending) => pending.read());
    return (await Promise.all(read)).map((data) => Float32Array.from(data));
  };
}

onEveryDevice((device) => {
  goldenTest("adam() follows fairseq's parameters step by step", FOLDER, async () => {
    const golden = readGolden<AdamGolden>(`${FOLDER}/adam.json`);
    const inputs = readTensors("inputs.safetensors");
    const wanted = readTensors("adam.safetensors");
    const step = adamStep(device);
    for (const [variant, { settings }] of golden.variants.entries()) {
      const { lr, adam_eps = 1e-8, weight_decay = 0 } = settings;
      const betas: number[] = JSON.parse(
        (settings.adam_betas ?? "[0.9, 0.999]").replace("(", "[").replace(")", "]"),
      );
      for (const name of NAMES) {
        let p = inputs(`init.${name}`);
        let m = new Float32Array(p.length);
        let v = new Float32Array(p.length);
        let t = 0;
        for (let index = 0; index < golden.steps; index++) {
          if (golden.no_gradient_at_step[name] !== index + 1) {
            t++;
            const rate = lr * golden.lr_multiplier_per_step[index];
            const corrections = betas.map((beta) => 1 - beta ** t);
            const scalars = [rate, ...betas, adam_eps, weight_decay, ...corrections, 0];
            const gradient = rowOf(inputs(`grad.${name}`), index, golden.steps);
            [p, m, v] = await step([p, gradient, m, v], Float32Array.from(scalars));
          }
          const want = rowOf(wanted(`v${variant}.param.${name}`), index, golden.steps);
          expectClose(p, want, TOLERANCE);
        }
        expectClose(m, wanted(`v${variant}.state.${name}.exp_avg`), TOLERANCE);
        expectClose(v, wanted(`v${variant}.state.${name}.exp_avg_sq`), TOLERANCE);
      }
    }
  });

  goldenTest(
    "clipCoefficient() scales gradients as fairseq's clip_grad_norm_",
    FOLDER,
    async () => {
      const golden = readGolden<ClipGolden>(`${FOLDER}/clip.json`);
      const inputs = readTensors("inputs.safetensors");
      const wanted = readTensors("clip.safetensors");
      let checked = 0;
      for (const {
        case: number,
        scale = 1,
        max_norm,
        missing_gradients = [],
      } of golden.clip_grad_norm_) {
        if (typeof number !== "number") continue;
        const names = NAMES.filter((name) => !missing_gradients.includes(name));
        const run = compile(device, "clip", (gradients: Readonly<Record<string, Tensor>>) => {
          const { one, ...given } = gradients;
          const total = Object.values(given)
            .map((gradient) => squareSum(gradient))
            .reduce((a, b) => add(a, b));
          const coefficient = clipCoefficient(total, one, max_norm);
          const clipped = names.map((name) => [name, mul(given[name], coefficient)] as const);
          return Object.fromEntries(clipped);
        });
        const gradients = names.map((name) => {
          const data = rowOf(inputs(`grad.${name}`), 0, 12).map((value) => value * scale);
          return [name, { data, shape: [data.length] }] as const;
        });
        const one = { data: Float32Array.of(1), shape: [] };
        const results = run({ ...Object.fromEntries(gradients), one });
        for (const name of names) {
          const want = wanted(`clip${number}.${name}`);
          const largest = want.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          expectClose(await results[name].read(), want, 1e-6 * largest);
          checked++;
        }
        run.release();
      }
      expect(checked).toBeGreaterThan(0);
    },
  );
});
