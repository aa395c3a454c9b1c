import { z } from "zod";
import { adam as adamStep } from "../../kernels/optimizer/index.ts";
import { optimizer } from "../components.ts";
import { assign, readVariable } from "../engine/trace.ts";
import type { Optimizer, OptimizerContext } from "./optimizer.ts";

/** Kingma and Ba 2015 with decoupled weight decay, in fairseq's form (reference 2.9). */
export const adam = optimizer({
  name: "adam",
  config: z.strictObject({
    adam_betas: z
      .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
      .default([0.9, 0.999])
      .describe("decay rates of the moments, such as '(0.9, 0.98)'"),
    adam_eps: z
      .number()
      .positive()
      .default(1e-8)
      .describe("added to the root of the second moment"),
    weight_decay: z
      .number()
      .min(0)
      .default(0)
      .describe("share of each weight taken off per update, times the rate")
      .meta({ aliases: ["--wd"] }),
  }),
  build: ({ adam_betas, adam_eps, weight_decay }, { parameters }: OptimizerContext): Optimizer => {
    const expAvg = parameters.like("exp_avg");
    const expAvgSq = parameters.like("exp_avg_sq");
    const [beta1, beta2] = adam_betas;
    return {
      state: new Map([
        ["exp_avg", expAvg],
        ["exp_avg_sq", expAvgSq],
      ]),
      scalars: (lr, step) =>
        Float32Array.of(
          lr,
          beta1,
          beta2,
          adam_eps,
          weight_decay,
          1 - beta1 ** step,
          1 - beta2 ** step,
          0,
        ),
      step(range, scalars, multiplier) {
        const { values, gradients } = parameters.ranges[range];
        const m = expAvg.ranges[range];
        const v = expAvgSq.ranges[range];
        const [value, first, second] = adamStep(
          readVariable(values),
          readVariable(gradients),
          readVariable(m),
          readVariable(v),
          scalars,
          multiplier,
        );
        assign(values, value);
        assign(m, first);
        assign(v, second);
      },
    };
  },
});
