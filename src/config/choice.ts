// A choice is a flag that names a registered component (--criterion, --arch); the component's own
// schema then adds its fields to the command. Sections and choices together describe a command.
import type { z } from "zod";

/** What every registered component has. */
export interface Component<C extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly config: C;
}

/** Where a choice finds its component: a registry, seen from here. */
export interface ComponentSource<T extends Component = Component> {
  /** All names that may be chosen. */
  names(): string[];
  /**
   * The component of that name, with the values that the name stands for: those of a named
   * architecture. @throws UserError that offers the nearest name.
   */
  choose(name: string): { component: T; preset: Readonly<Record<string, unknown>> };
}

/** The registries by the name that choices use for them. */
export type ComponentSources = Readonly<Record<string, ComponentSource>>;

export interface Choice<T extends Component = Component> {
  readonly kind: "choice";
  /** The configuration key, from which the flag is made: "criterion", "arch". */
  readonly key: string;
  /** The registry to choose from: "criterions", "models". */
  readonly registry: string;
  readonly default: string;
  readonly description: string;
  readonly aliases?: readonly string[];
  /** Keys of components that mean nothing to this command: it has no flags for them. */
  readonly omit?: readonly string[];
  /** Never set: carries the component's type to `Chosen`. */
  readonly component?: T;
}

/** What was chosen: `component.build(config, ...)` makes it. */
export interface Chosen<T extends Component = Component> {
  readonly component: T;
  /** The name given: the component's own, or one of its architectures. */
  readonly name: string;
  readonly config: z.output<T["config"]>;
}

/** The parts of a command's configuration, by name. */
export interface Sections {
  readonly [name: string]: z.ZodObject | Choice;
}

/** The parsed parts of a command's configuration. */
export type Values<S> = {
  [K in keyof S]: S[K] extends Choice<infer T>
    ? Chosen<T>
    : S[K] extends z.ZodObject
      ? z.output<S[K]>
      : never;
};

/** Declares a choice among the components of a registry. */
export function choice<T extends Component>(definition: Omit<Choice<T>, "kind">): Choice<T> {
  return { kind: "choice", ...definition };
}

export function isChoice(section: z.ZodObject | Choice): section is Choice {
  return "kind" in section && section.kind === "choice";
}
