// The shapes of the five kinds of plug-in, and of scorers. Each is a plain object: a name, a schema
// of its settings (which become flags, help and configuration keys), and a function that builds it.
import type { z } from "zod";
import type { Component } from "./config/choice.ts";
import type { LrScheduler } from "./lr_scheduler/schedule.ts";
import type { WithArchitectures } from "./registry.ts";

/** A component that its configuration and a context (the task, the parameters) build. */
export interface Buildable<C extends z.ZodObject, Context, Built> extends Component<C> {
  build(config: z.output<C>, context: Context): Built;
}

export interface ModelComponent<
  C extends z.ZodObject = z.ZodObject,
  Context = unknown,
  Built = unknown,
> extends WithArchitectures<C>,
    Buildable<C, Context, Built> {}

export interface CriterionComponent<
  C extends z.ZodObject = z.ZodObject,
  Context = unknown,
  Built = unknown,
> extends Buildable<C, Context, Built> {}

export interface TaskComponent<
  C extends z.ZodObject = z.ZodObject,
  Context = unknown,
  Built = unknown,
> extends Buildable<C, Context, Built> {}

export interface OptimizerComponent<
  C extends z.ZodObject = z.ZodObject,
  Context = unknown,
  Built = unknown,
> extends Buildable<C, Context, Built> {}

export type LrSchedulerComponent = LrScheduler;

/** Declares a model; the compiler then knows the type of its configuration in `build`. */
export function model<C extends z.ZodObject, Context, Built>(
  component: ModelComponent<C, Context, Built>,
): ModelComponent<C, Context, Built> {
  return component;
}

/** Declares a criterion, likewise. */
export function criterion<C extends z.ZodObject, Context, Built>(
  component: CriterionComponent<C, Context, Built>,
): CriterionComponent<C, Context, Built> {
  return component;
}

/** Declares a task, likewise. */
export function task<C extends z.ZodObject, Context, Built>(
  component: TaskComponent<C, Context, Built>,
): TaskComponent<C, Context, Built> {
  return component;
}

/** Declares an optimizer, likewise. */
export function optimizer<C extends z.ZodObject, Context, Built>(
  component: OptimizerComponent<C, Context, Built>,
): OptimizerComponent<C, Context, Built> {
  return component;
}
