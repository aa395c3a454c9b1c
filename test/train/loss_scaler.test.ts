// The loss scale against fairseq's: every event of its scaler, and ten steps of its f16 optimizers.
import { expect, test } from "bun:test";
import { cast } from "../../kernels/elementwise/index.ts";
import { adam, type LossScaleAttributes, lossScale } from "../../kernels/optimizer/index.ts";
import { squareSum } from "../../kernels/reduce/index.ts";
import { precision } from "../../src/config/schemas/precision.ts";
import type { Device } from "../../src/device/device.ts";
import { compile } from "../../src/engine/compile.ts";
import { assign, readVariable } from "../../src/engine/trace.ts";
import { f16, f32, i32 } from "../../src/tensor/shape.ts";
import { Variable } from "../../src/tensor/variable.ts";
import { checkPrecision, lossScaling } from "../../src/train/loss_scaler.ts";
import { onEveryDevice } from "../support/devices.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { expectTensor, readTensors } from "../support/tensors.ts";

const GOLDEN = "training/fp16_scaler.json";

interface Golden {
  readonly scaler: readonly {
    readonly name: string;
    readonly settings: Readonly<Record<string, number>>;
    readonly events: readonly {
      readonly grad_norm: number | string;
      readonly raised: string | null;
      readonly loss_scale: number;
      readonly iter: number;
      readonly last_overflow_iter: number;
      readonly last_rescale_iter: number;
      readonly overflows_since_rescale: number;
    }[];
  }[];
  readonly default_scale_window: readonly {
    readonly world_size: number;
    readonly update_freq: number;
    readonly scale_window: number;
  }[];
  readonly fp16_optimizers: {
    readonly cases: readonly {
      readonly name: string;
      readonly kind: string;
      readonly optimizer: string;
      readonly clip_norm: number;
      readonly scale_window: number;
      readonly init_scale: number;
      readonly events: readonly {
        readonly grad_norm?: number;
        readonly raised: string | null;
        readonly loss_scale_after: number;
      }[];
    }[];
  };
}

const settingsOf = (given: Readonly<Record<string, number>>): LossScaleAttributes => ({
  factor: given.scale_factor ?? 2,
  window: given.scale_window ?? 2000,
  tolerance: given.tolerance ?? 0,
  threshold: given.threshold ?? 0,
  minimum: given.min_loss_scale ?? 1e-4,
  maxNorm: 0,
});

/** A scale on a device, before the first step. */
function scaleOn(device: Device, initial: number) {
  const scale = new Variable("scale", f32());
  const counters = new Variable("counters", i32(5));
  device.write(scale, Float32Array.of(initial));
  device.write(counters, Int32Array.of(0, -1, -1, 0, 0));
  return { scale, counters };
}

onEveryDevice((device) => {
  goldenTest("the loss scale goes where fairseq's goes", GOLDEN, async () => {
    const { scaler } = readGolden<Golden>(GOLDEN);
    // A norm is never negative: fairseq's blindness for that has no counterpart.
    for (const { name, settings, events } of scaler.filter(
      ({ name }) => !name.startsWith("-inf"),
    )) {
      const { scale, counters } = scaleOn(device, settings.init_scale ?? 2 ** 15);
      const step = compile(device, "loss scale", ({ square, one, known }) => {
        const inputs = [readVariable(scale), readVariable(counters), square, one, known] as const;
        const scaled = lossScale(...inputs, settingsOf(settings));
        assign(scale, scaled.scale);
        assign(counters, scaled.counters);
        return { scale: scaled.scale, counters: scaled.counters };
      });
      let last = -1;
      for (const [number, event] of events.entries()) {
        const norm = typeof event.grad_norm === "string" ? nonFinite(event.grad_norm) : 1;
        const told = step({
          square: { data: Float32Array.of(norm), shape: [] },
          one: { data: Float32Array.of(1), shape: [] },
          known: { data: Int32Array.of(last), shape: [] },
        });
        const got = [...(await told.scale.read()), ...(await told.counters.read())];
        const isEnd = event.raised === "FloatingPointError";
        const { last_overflow_iter, last_rescale_iter, overflows_since_rescale } = event;
        const counted = [
          event.iter,
          last_overflow_iter,
          last_rescale_iter,
          overflows_since_rescale,
        ];
        const status = isEnd ? 2 : event.raised === null ? 0 : 1;
        expect({ name, number, got }).toEqual({
          ...{ name, number },
          got: [Math.fround(event.loss_scale), ...counted, status],
        });
        if (isEnd) break;
        last = last_overflow_iter;
      }
      step.release();
    }
  });

  if (device.kind === "cpu") return;
  goldenTest("adam over f16 gradients moves as fairseq's does", GOLDEN, async () => {
    const { cases } = readGolden<Golden>(GOLDEN).fp16_optimizers;
    const chosen = cases.filter(
      ({ optimizer, kind }) => optimizer === "adam" && /^(fp16-flat|memory.*-fp16)$/.test(kind),
    );
    expect(chosen).not.toHaveLength(0);
    for (const golden of chosen) await followAdam(device, golden);
  });
});

const nonFinite = (text: string): number =>
  text === "nan" ? Number.NaN : Number.POSITIVE_INFINITY;

/** In the order of fairseq's flat buffer. */
const NAMES = ["w", "b", "c"] as const;

async function followAdam(
  device: Device,
  { name, kind, clip_norm, ...golden }: Golden["fp16_optimizers"]["cases"][number],
): Promise<void> {
  const tensors = readTensors("training/fp16_scaler.safetensors");
  const dataOf = (key: string): Float32Array => tensors.get(key)?.data ?? new Float32Array();
  const initial = NAMES.flatMap((part) => [...dataOf(`init.${part}`)]);
  const n = initial.length;
  const rowOf = (prefix: string, step: number): number[] =>
    NAMES.flatMap((part) => {
      const all = dataOf(`${prefix}.${part}`);
      const width = all.length / golden.events.length;
      return [...all.subarray(step * width, (step + 1) * width)];
    });
  const isFlat = kind === "fp16-flat";
  const { scale, counters } = scaleOn(device, golden.init_scale);
  const weights = new Variable("weights", isFlat ? f32(n) : f16(n));
  const [m, v] = [new Variable("m", f32(n)), new Variable("v", f32(n))];
  device.write(weights, Float32Array.from(initial));
  const attributes = { ...settingsOf({ scale_window: golden.scale_window }), maxNorm: clip_norm };
  const step = compile(device, name, ({ gradient, scalars, share, known }) => {
    const halves = cast(gradient, "f16");
    const state = [readVariable(scale), readVariable(counters)] as const;
    const scaled = lossScale(...state, squareSum(halves), share, known, attributes);
    const moments = [readVariable(m), readVariable(v)] as const;
    const [moved, first, second] = adam(
      ...([readVariable(weights), halves, ...moments, scalars, scaled.coefficient] as const),
    );
    for (const [variable, value] of [
      [scale, scaled.scale],
      [counters, scaled.counters],
      [weights, moved],
      [m, first],
      [v, second],
    ] as const)
      assign(variable, value);
    return { norm: scaled.norm, scale: scaled.scale, half: cast(moved, "f16") };
  });
  let [made, last] = [0, -1];
  for (const [number, event] of golden.events.entries()) {
    const t = made + 1;
    const scalars = [0.02, 0.9, 0.98, 1e-6, 0.01, 1 - 0.9 ** t, 1 - 0.98 ** t, 0];
    const told = step({
      gradient: { data: Float32Array.from(rowOf("grad", number)), shape: [n] },
      scalars: { data: Float32Array.from(scalars), shape: [8] },
      share: { data: Float32Array.of(1 / 5), shape: [] },
      known: { data: Int32Array.of(last), shape: [] },
    });
    if (event.raised === null) made = t;
    else last = number;
    const [norm] = await told.norm.read();
    const what = `${name}, step ${number + 1}`;
    if (event.grad_norm !== undefined) expectTensor(what, [norm], [event.grad_norm], 0, 1e-5);
    expectTensor(what, await told.scale.read(), [event.loss_scale_after], 0);
    const want = rowOf(`${name}.param`, number);
    const half = await told.half.read();
    // A unit in the last place. fairseq's variant without master weights rounds gradients once more.
    for (const [i, value] of want.entries()) {
      const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 10);
      expect(Math.abs(half[i] - value)).toBeLessThanOrEqual(isFlat ? unit : 4 * unit);
    }
    if (!isFlat) continue;
    const master = dataOf(`${name}.master.flat`).subarray(number * n, (number + 1) * n);
    expectTensor(what, await device.read(weights), master, 1e-6);
  }
  step.release();
}

goldenTest("the window follows from the batches of an update", GOLDEN, () => {
  for (const { world_size, update_freq, scale_window } of readGolden<Golden>(GOLDEN)
    .default_scale_window) {
    const { window } = lossScaling(precision.parse({}), { update_freq: [update_freq] }, world_size);
    expect(window).toBe(scale_window);
  }
});

test("--fp16 is refused on the cpu and among peers, and says how f16 is stored", () => {
  const config = precision.parse({ fp16: true });
  const said = (half: Device["half"], hasPeers = false): string => {
    const lines: string[] = [];
    checkPrecision(config, { half }, hasPeers, (line) => lines.push(line));
    return lines.join("\n");
  };
  expect(() => said(undefined)).toThrow("use --device webgpu");
  expect(() => said("native", true)).toThrow("train with one process");
  expect(said("native")).toContain("gradients in f16;");
  expect(said("packed")).toContain("packed in pairs, as the adapter has no shader-f16");
});

test("a window that no --update-freq gives must be given", () => {
  const frequencies = { update_freq: [1, 2] };
  expect(() => lossScaling(precision.parse({}), frequencies, 1)).toThrow("--fp16-scale-window");
  const given = precision.parse({ fp16_scale_window: 5, threshold_loss_scale: 3 });
  expect(lossScaling(given, frequencies, 1)).toMatchObject({ window: 5, threshold: 3 });
});
