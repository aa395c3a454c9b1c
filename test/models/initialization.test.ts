// Fresh parameters have fairseq's distributions: deviation, bound and shape over all elements of
// several seeds, and the rows that start at zero.
import { expect } from "bun:test";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { HostRandom } from "../../src/nn/host_random.ts";
import { uniqueParameters } from "../../src/nn/module.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { knownSettings } from "./golden_transformer.ts";

interface Statistics {
  readonly shape: number[];
  readonly std: number;
  readonly bound: number;
  readonly kurtosis_of_nonzero: number | null;
  readonly zero_rows: number[];
}

interface Initialization {
  readonly vocabulary: number;
  readonly pad: number;
  readonly models: Record<
    string,
    { model: Record<string, unknown>; parameters: Record<string, Statistics> }
  >;
}

const MODELS = [
  "transformer",
  "transformer_learned_layernorm_embedding",
  "transformer_share_all_prenorm",
  "transformer_wide_encoder",
];
const SEEDS = 20;

for (const name of MODELS) {
  goldenTest(`${name} starts as fairseq's does`, "models/init/init.json", () => {
    const { models, vocabulary, pad } = readGolden<Initialization>("models/init/init.json");
    const golden = models[name];
    const model = new TransformerModel(knownSettings(golden.model), {
      sourceSymbols: vocabulary,
      targetSymbols: vocabulary,
      padding: pad,
      sharedDictionary: true,
    });
    for (const [parameter, { shape, initialize }] of uniqueParameters(model)) {
      const want = golden.parameters[parameter];
      expect([parameter, [...shape]]).toEqual([parameter, want.shape]);
      const values: number[] = [];
      for (let seed = 0; seed < SEEDS; seed++) {
        const drawn = new Float32Array(sizeOf(shape)).fill(Number.NaN);
        initialize(drawn, shape, HostRandom.named(seed, parameter));
        for (const row of want.zero_rows) {
          const width = shape[1] ?? 1;
          expect(drawn.subarray(row * width, (row + 1) * width).every((x) => x === 0)).toBe(true);
        }
        values.push(...drawn);
      }
      expectSameDistribution(parameter, values, want);
    }
  });
}

function expectSameDistribution(name: string, values: readonly number[], want: Statistics): void {
  const nonzero = values.filter((x) => x !== 0);
  const moment = (p: number) => nonzero.reduce((sum, x) => sum + x ** p, 0) / nonzero.length;
  if (want.std === 0) {
    expect([name, values.every((x) => x === values[0])]).toEqual([name, true]);
    expect([name, values[0]]).toEqual([name, want.bound]);
    return;
  }
  const rms = Math.sqrt(moment(2));
  const noise = 4 / Math.sqrt(nonzero.length);
  expect(Math.abs(rms / want.std - 1), name).toBeLessThan(noise + 0.02);
  const kurtosis = moment(4) / rms ** 4;
  const wanted = want.kurtosis_of_nonzero ?? 3;
  expect(Math.abs(kurtosis - wanted), name).toBeLessThan(10 / Math.sqrt(nonzero.length) + 0.1);
  const bound = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  // A uniform distribution ends sharply; a normal one's largest value says little.
  if (wanted < 2.2) expect(Math.abs(bound / want.bound - 1), name).toBeLessThan(0.03);
}
