// The shapes of the five kinds of plug-in. Each is a plain object: a name, a schema of its settings
// (which become flags, help and configuration keys), and a function that builds it.
import type { z } from "zod";
import type { Component } from "./config/choice.ts";
import type { Criterion, CriterionContext } from "./criterions/criterion.ts";
import type { LrScheduler } from "./lr_scheduler/schedule.ts";
import type { EncoderDecoderModel, ModelContext } from "./models/model.ts";
import type { Optimizer, OptimizerContext } from "./optim/optimizer.ts";
import type { WithArchitectures } from "./registry.ts";
import type { Task, TaskContext } from "./tasks/task.ts";

/** A component that its configuration and a context build. */
export interface Buildable<C extends z.ZodObject, Context, Built> extends Component<C> {
  build(config: z.output<C>, context: Context): Built;
}

/** `architectures` are named sets of values for the settings; `--arch` takes their names. */
export interface ModelComponent<C extends z.ZodObject = z.ZodObject>
  extends WithArchitectures<C>,
    Buildable<C, ModelContext, EncoderDecoderModel> {}

export interface CriterionComponent<C extends z.ZodObject = z.ZodObject>
  extends Buildable<C, CriterionContext, Criterion> {}

export interface TaskComponent<C extends z.ZodObject = z.ZodObject>
  extends Buildable<C, TaskContext, Task> {}

export interface OptimizerComponent<C extends z.ZodObject = z.ZodObject>
  extends Buildable<C, OptimizerContext, Optimizer> {}

export type LrSchedulerComponent = LrScheduler;

/** Declares a model; the compiler then knows the type of its configuration in `build`. */
export function model<C extends z.ZodObject>(component: ModelComponent<C>): ModelComponent<C> {
  return component;
}

/** Declares a criterion, likewise. */
export function criterion<C extends z.ZodObject>(
  component: CriterionComponent<C>,
): CriterionComponent<C> {
  return component;
}

/** Declares a task, likewise. */
export function task<C extends z.ZodObject>(component: TaskComponent<C>): TaskComponent<C> {
  return component;
}

/** Declares an optimizer, likewise. */
export function optimizer<C extends z.ZodObject>(
  component: OptimizerComponent<C>,
): OptimizerComponent<C> {
  return component;
}
