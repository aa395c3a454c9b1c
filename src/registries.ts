// The one place where built-in components are listed. Nothing registers itself by being imported.
import type {
  CriterionComponent,
  LrSchedulerComponent,
  ModelComponent,
  OptimizerComponent,
  TaskComponent,
} from "./components.ts";
import { choice } from "./config/choice.ts";
import { crossEntropy } from "./criterions/cross_entropy.ts";
import { labelSmoothedCrossEntropy } from "./criterions/label_smoothed_cross_entropy.ts";
import { cosine } from "./lr_scheduler/cosine.ts";
import { fixed } from "./lr_scheduler/fixed.ts";
import { inverseSqrt } from "./lr_scheduler/inverse_sqrt.ts";
import { manual } from "./lr_scheduler/manual.ts";
import { polynomialDecay } from "./lr_scheduler/polynomial_decay.ts";
import { reduceLrOnPlateau } from "./lr_scheduler/reduce_lr_on_plateau.ts";
import { step } from "./lr_scheduler/step.ts";
import { triStage } from "./lr_scheduler/tri_stage.ts";
import { triangular } from "./lr_scheduler/triangular.ts";
import { transformer } from "./models/transformer/transformer.ts";
import { transformerAlign } from "./models/transformer/transformer_align.ts";
import { adam } from "./optim/adam.ts";
import { ComponentRegistry, ModelRegistry } from "./registry.ts";
import { bleu, chrf, type ScorerComponent, sacrebleu, wer } from "./scorer_components.ts";
import { translation } from "./tasks/translation.ts";

/** The five kinds of plug-in and the scorers, by the names that plug-ins and choices use. */
export type Registries = {
  readonly models: ModelRegistry<ModelComponent>;
  readonly criterions: ComponentRegistry<CriterionComponent>;
  readonly tasks: ComponentRegistry<TaskComponent>;
  readonly optimizers: ComponentRegistry<OptimizerComponent>;
  readonly lr_schedulers: ComponentRegistry<LrSchedulerComponent>;
  readonly scorers: ComponentRegistry<ScorerComponent>;
};

/** New registries with all that weft brings along. Plug-ins add theirs to these. */
export function createRegistries(): Registries {
  return {
    models: new ModelRegistry<ModelComponent>("model").add(transformer).add(transformerAlign),
    criterions: new ComponentRegistry<CriterionComponent>("criterion")
      .add(crossEntropy)
      .add(labelSmoothedCrossEntropy),
    tasks: new ComponentRegistry<TaskComponent>("task").add(translation),
    optimizers: new ComponentRegistry<OptimizerComponent>("optimizer").add(adam),
    lr_schedulers: new ComponentRegistry<LrSchedulerComponent>("lr scheduler")
      .add(cosine)
      .add(fixed)
      .add(inverseSqrt)
      .add(manual)
      .add(polynomialDecay)
      .add(reduceLrOnPlateau)
      .add(step)
      .add(triStage)
      .add(triangular),
    scorers: new ComponentRegistry<ScorerComponent>("scorer")
      .add(bleu)
      .add(sacrebleu)
      .add(chrf)
      .add(wer),
  };
}

export const chooseModel = choice<ModelComponent>({
  key: "arch",
  registry: "models",
  default: "transformer",
  description: "architecture of the model",
  aliases: ["-a"],
});

export const chooseCriterion = choice<CriterionComponent>({
  key: "criterion",
  registry: "criterions",
  default: "cross_entropy",
  description: "what training makes small",
});

export const chooseTask = choice<TaskComponent>({
  key: "task",
  registry: "tasks",
  default: "translation",
  description: "what the model learns to do, from which data",
});

/** Where the task is only to be decoded: nothing is validated there. */
export const chooseTaskToDecode = choice<TaskComponent>({
  ...chooseTask,
  omit: Object.keys(translation.config.shape).filter((key) => key.startsWith("eval_")),
});

export const chooseOptimizer = choice<OptimizerComponent>({
  key: "optimizer",
  registry: "optimizers",
  default: "adam",
  description: "how gradients change the parameters",
});

export const chooseLrScheduler = choice<LrSchedulerComponent>({
  key: "lr_scheduler",
  registry: "lr_schedulers",
  default: "fixed",
  description: "how the learning rate changes in the course of training",
});

export const chooseScorer = choice<ScorerComponent>({
  key: "scoring",
  registry: "scorers",
  default: "bleu",
  description: "how output is scored against references",
});
