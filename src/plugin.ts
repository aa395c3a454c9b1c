// Plug-ins: ES modules whose default export receives this API. They run from source (Bun, Deno) and
// through the compiled binary alike; there a module cannot import weft's or zod by name, so all
// that a plug-in needs is handed to it.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type {
  CriterionComponent,
  LrSchedulerComponent,
  ModelComponent,
  OptimizerComponent,
  TaskComponent,
} from "./components.ts";
import { criterion, model, optimizer, task } from "./components.ts";
import type { Component } from "./config/choice.ts";
import type { PluginRecord } from "./config/record.ts";
import { UserError } from "./config/user_error.ts";
import { lrScheduler } from "./lr_scheduler/schedule.ts";
import { modelClasses, nn, ops } from "./plugin_library.ts";
import type { Registries } from "./registries.ts";

/** Where a plug-in adds its components of one kind. */
export interface Registrar<T extends Component> {
  /** @throws UserError when the name is taken. */
  add(component: T): void;
  /** A component that is there already, to build upon. */
  get(name: string): T;
  names(): string[];
}

/** Models may also be given further architectures: names for sets of values of their settings. */
export interface ModelRegistrar extends Registrar<ModelComponent> {
  /** @throws UserError when the model has no such setting, or the name is taken. */
  addArchitecture(model: string, name: string, preset: Readonly<Record<string, unknown>>): void;
}

/** What the default export of a plug-in receives. */
export interface WeftPluginApi {
  readonly models: ModelRegistrar;
  readonly criterions: Registrar<CriterionComponent>;
  readonly tasks: Registrar<TaskComponent>;
  readonly optimizers: Registrar<OptimizerComponent>;
  readonly lr_schedulers: Registrar<LrSchedulerComponent>;
  /** Functions of tensors: what criterions and models compute with. */
  readonly ops: typeof ops;
  /** Modules: what models are put together from. */
  readonly nn: typeof nn;
  readonly EncoderDecoderModel: typeof modelClasses.EncoderDecoderModel;
  readonly TransformerModel: typeof modelClasses.TransformerModel;
  readonly transformerConfig: typeof modelClasses.transformerConfig;
  /** The library that schemas are written with. */
  readonly z: typeof z;
  /** Each returns its argument, and lets the compiler infer the type of the configuration. */
  readonly model: typeof model;
  readonly criterion: typeof criterion;
  readonly task: typeof task;
  readonly optimizer: typeof optimizer;
  readonly lrScheduler: typeof lrScheduler;
  /** Throw one for a user's mistake: place, problem, remedy, and no stack. */
  readonly UserError: typeof UserError;
}

/** The default export of a plug-in. */
export type WeftPlugin = (weft: WeftPluginApi) => void | Promise<void>;

/**
 * Loads one plug-in into the registries.
 *
 * @param path relative to `folder`.
 * @returns what a checkpoint remembers of it.
 * @throws UserError when the file is missing, is no plug-in, or throws.
 */
export async function loadPlugin(
  path: string,
  folder: string,
  registries: Registries,
): Promise<PluginRecord> {
  const place = `--plugin ${path}`;
  const absolute = resolve(folder, path);
  const text = await readFile(absolute).catch((error: Error) => {
    throw new UserError({
      place,
      problem: `cannot be read: ${error.message}`,
      remedy: "name a TypeScript or JavaScript file",
    });
  });
  const plugin = await importDefault(absolute, place);
  try {
    await plugin(apiFor(registries, `plug-in ${path}`));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw pluginFailure(place, "failed", error);
  }
  return { name: basename(path), sha256: createHash("sha256").update(text).digest("hex") };
}

async function importDefault(absolute: string, place: string): Promise<WeftPlugin> {
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(absolute).href);
  } catch (error) {
    throw pluginFailure(place, "cannot be loaded", error);
  }
  if (typeof module.default === "function") return module.default as WeftPlugin;
  throw new UserError({
    place,
    problem: `its default export is ${module.default === undefined ? "missing" : "no function"}`,
    remedy: "write: export default (weft) => { weft.criterions.add(...); }",
  });
}

function pluginFailure(place: string, what: string, cause: unknown): UserError {
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  const error = new UserError({
    place,
    problem: `${what}: ${message}`,
    remedy: "mend the plug-in; --debug shows where",
  });
  error.cause = cause;
  return error;
}

function apiFor(registries: Registries, origin: string): WeftPluginApi {
  const { models, criterions, tasks, optimizers, lr_schedulers } = registries;
  return {
    models: {
      ...registrar(models, origin),
      addArchitecture: (name, architecture, preset) => {
        models.addArchitecture(name, architecture, preset, origin);
      },
    },
    criterions: registrar(criterions, origin),
    tasks: registrar(tasks, origin),
    optimizers: registrar(optimizers, origin),
    lr_schedulers: registrar(lr_schedulers, origin),
    ops,
    nn,
    ...modelClasses,
    z,
    model,
    criterion,
    task,
    optimizer,
    lrScheduler,
    UserError,
  };
}

interface Target<T> {
  readonly kind: string;
  add(component: T, origin: string): unknown;
  get(name: string): T;
  names(): string[];
}

function registrar<T extends Component>(registry: Target<T>, origin: string): Registrar<T> {
  return {
    add(component) {
      requireComponent(component, registry.kind, origin);
      registry.add(component, origin);
    },
    get: (name) => registry.get(name),
    names: () => registry.names(),
  };
}

/** Plug-ins may be plain JavaScript, so what they add is looked at before it is believed. */
function requireComponent(
  component: Partial<Component> | undefined,
  kind: string,
  origin: string,
): void {
  const refuse = (problem: string): never => {
    throw new UserError({ place: origin, problem, remedy: `a ${kind} is { name, config, build }` });
  };
  if (typeof component?.name !== "string" || component.name === "") {
    refuse(`adds a ${kind} without a name`);
  } else if (typeof component.config?.shape !== "object") {
    refuse(`adds ${kind} ${component.name} whose config is not a zod object`);
  } else if (typeof (component as { build?: unknown }).build !== "function") {
    refuse(`adds ${kind} ${component.name} without a build function`);
  }
}
