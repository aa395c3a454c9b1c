// `weft bench`: the speed of a device in numbers that can be compared.
import type { Device } from "../device/device.ts";
import type { Registries } from "../registries.ts";
import { version } from "../version.ts";
import {
  type Float,
  ONLY,
  type ProductSize,
  type ProductSpeed,
  productSpeeds,
} from "./products.ts";
import { type TrainingSpeed, trainingSpeed } from "./training_speed.ts";

export interface BenchOptions {
  readonly parts: readonly ("products" | "training")[];
  /** Shapes that a software adapter or a processor does in seconds. */
  readonly small: boolean;
  /** Of a batch; unset: what suits the shapes. */
  readonly maxTokens: number | undefined;
}

export interface BenchReport {
  readonly weft: string;
  readonly device: string;
  readonly products: readonly ProductSpeed[];
  readonly training: readonly TrainingSpeed[];
}

const LARGE: readonly ProductSize[] = [
  { rows: 4096, input: 512, output: 512 },
  { rows: 4096, input: 512, output: 2048 },
  { rows: 4096, input: 1024, output: 1024 },
  { rows: 4096, input: 1024, output: 4096 },
  { rows: 4096, input: 4096, output: 1024 },
  { rows: 4096, input: 1024, output: 32_768 },
  { rows: 8192, input: 8192, output: 8192 },
  { rows: 1, input: 1024, output: 4096 },
  { rows: 5, input: 1024, output: 1024 },
  { rows: 5, input: 1024, output: 32_768 },
];

const SMALL: readonly ProductSize[] = [
  { rows: 256, input: 128, output: 128 },
  { rows: 256, input: 128, output: 512 },
  { rows: 5, input: 128, output: 512 },
];

const WIDTH = 32;

const trainings = (small: boolean) =>
  small
    ? [{ architecture: "transformer_tiny", vocabulary: 1000 }]
    : [
        { architecture: "transformer", vocabulary: 32_768 },
        { architecture: "transformer_vaswani_wmt_en_de_big", vocabulary: 32_768 },
      ];

/**
 * Measures and prints a line for each number.
 *
 * @param open the device; each model gets one of its own, so that its memory is its own.
 */
export async function bench(
  open: () => Promise<Device>,
  registries: Registries,
  { parts, small, maxTokens = small ? 256 : 4096 }: BenchOptions,
  line: (text: string) => void,
): Promise<BenchReport> {
  let device = await open();
  const { description } = device;
  const dtypes: Float[] = device.half === undefined ? ["f32"] : ["f32", "f16"];
  const products: ProductSpeed[] = [];
  try {
    if (parts.includes("products")) {
      for await (const speed of productSpeeds(device, small ? SMALL : LARGE, dtypes)) {
        products.push(speed);
        line(describeProduct(speed));
      }
    }
  } finally {
    await device.close();
  }
  const training: TrainingSpeed[] = [];
  for (const model of parts.includes("training") ? trainings(small) : []) {
    for (const dtype of dtypes) {
      device = await open();
      try {
        const settings = { ...model, fp16: dtype === "f16" };
        const speed = await trainingSpeed(device, registries, settings, maxTokens, WIDTH);
        training.push(speed);
        line(describeTraining(speed));
      } finally {
        await device.close();
      }
    }
  }
  return { weft: version, device: description, products, training };
}

function describeProduct(speed: ProductSpeed): string {
  const { form, dtype, rows, input, output, kernel, isFirst, microseconds, teraflops } = speed;
  const size = `${rows} x ${input} -> ${output}`.padEnd(22);
  const rate = `${teraflops.toPrecision(3)} TFLOP/s`.padStart(16);
  const first = isFirst && kernel !== ONLY ? ", the table's first" : "";
  return `${dtype} ${form.padEnd(15)} ${size}${rate} ${microseconds.toFixed(0).padStart(9)} us  ${kernel}${first}`;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

const describeTraining = (speed: TrainingSpeed): string =>
  `${speed.fp16 ? "fp16" : "fp32"} training ${speed.architecture}, ` +
  `${(speed.parameters / 1e6).toFixed(1)} million parameters, ` +
  `${speed.sentences} sentences of ${speed.width}: ` +
  `${speed.tokensPerSecond.toFixed(0)} tokens/s, ${speed.millisecondsPerUpdate.toFixed(1)} ms an update; ` +
  `first update after ${speed.secondsToFirstUpdate.toFixed(1)} s; ` +
  `${mebibytes(speed.variableBytes)} of variables, ${mebibytes(speed.temporaryBytes)} of temporaries`;
