import { expect } from "bun:test";
import { architectures } from "../../src/models/transformer/architectures.ts";
import {
  decoderSide,
  encoderSide,
  transformerConfig,
} from "../../src/models/transformer/config.ts";
import { TransformerModel } from "../../src/models/transformer/transformer.ts";
import { uniqueParameters } from "../../src/nn/module.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { goldenTest, readGolden } from "../support/golden.ts";
import { knownSettings } from "./golden_transformer.ts";

interface Architectures {
  readonly dictionary: number;
  readonly archs: Readonly<
    Record<string, { hyperparameters: Record<string, unknown>; num_parameters: number }>
  >;
}

const NAMES = [...Object.keys(architectures), "transformer"];

for (const name of NAMES) {
  goldenTest(
    `--arch ${name} has fairseq's hyperparameters and size`,
    "models/archs_full.json",
    () => {
      const { archs } = readGolden<Architectures>("models/archs_full.json");
      const want = archs[name];
      const settings = knownSettings(want.hyperparameters);
      const config = transformerConfig.parse(architectures[name] ?? {});
      expect(encoderSide(config)).toEqual(encoderSide(settings));
      expect(decoderSide(config)).toEqual(decoderSide(settings));
      for (const key of [
        "dropout",
        "attention_dropout",
        "activation_dropout",
        "activation_fn",
      ] as const) {
        expect(config[key]).toBe(settings[key]);
      }
      const symbols = 1000;
      const model = new TransformerModel(config, {
        sourceSymbols: symbols,
        targetSymbols: symbols,
        padding: 1,
        sharedDictionary: true,
      });
      let size = 0;
      for (const { shape } of uniqueParameters(model).values()) size += sizeOf(shape);
      expect(size).toBe(want.num_parameters);
    },
  );
}
