import { z } from "zod";
import type { Component, ComponentSource } from "./config/choice.ts";
import { didYouMean } from "./config/nearest.ts";
import { UserError } from "./config/user_error.ts";

/** Kinds that plug-ins cannot add to. */
const CLOSED: ReadonlySet<string> = new Set(["scorer"]);

/** Components of one kind, by name. Nothing registers itself: somebody calls `add`. */
export class Registry<T extends { readonly name: string }> {
  private readonly entries = new Map<string, { readonly component: T; readonly origin: string }>();

  /** @param kind what its components are, as users read it: "criterion". */
  constructor(readonly kind: string) {}

  /**
   * @param origin who adds it, as users read it: "weft", "plug-in ./mine.ts".
   * @throws UserError when the name is taken, naming both origins.
   */
  add(component: T, origin = "weft"): this {
    this.claim(component.name, component, origin);
    return this;
  }

  /** @throws UserError that offers the nearest name. */
  get(name: string): T {
    const entry = this.entries.get(name);
    if (entry === undefined) throw this.unknown(name, this.entries.keys());
    return entry.component;
  }

  /** In the order in which they were added. */
  names(): string[] {
    return [...this.entries.keys()];
  }

  protected claim(name: string, component: T, origin: string): void {
    const holder = this.entries.get(name);
    if (holder !== undefined) {
      throw new UserError({
        place: `${this.kind} ${JSON.stringify(name)}`,
        problem: `is registered twice, by ${holder.origin} and by ${origin}`,
        remedy: "give one of the two another name",
      });
    }
    this.entries.set(name, { component, origin });
  }

  protected unknown(name: string, candidates: Iterable<string>): UserError {
    const known = [...candidates];
    const hint = CLOSED.has(this.kind) ? "" : " (a plug-in's are known with --plugin FILE)";
    const list = known.length === 0 ? "none is registered" : `there are: ${known.join(", ")}`;
    return new UserError({
      place: `${this.kind} ${JSON.stringify(name)}`,
      problem: "is not registered",
      remedy: `${didYouMean(name, known, list)}${hint}`,
    });
  }
}

/** A registry whose components have a configuration, so that a flag can choose among them. */
export class ComponentRegistry<T extends Component>
  extends Registry<T>
  implements ComponentSource<T>
{
  choose(name: string): { component: T; preset: Readonly<Record<string, unknown>> } {
    return { component: this.get(name), preset: {} };
  }
}

/** A component with named architectures: sets of values for its configuration. */
export interface WithArchitectures<C extends z.ZodObject = z.ZodObject> extends Component<C> {
  readonly architectures: Readonly<Record<string, Partial<z.input<C>>>>;
}

/**
 * Models are chosen by architecture (`--arch`). Each model's own name is also an architecture of
 * it, with nothing but the defaults.
 */
export class ModelRegistry<T extends WithArchitectures> extends ComponentRegistry<T> {
  private readonly architectures = new Registry<Architecture<T>>("architecture");

  /** @throws UserError also when an architecture's name is taken or sets what the model has not. */
  override add(component: T, origin = "weft"): this {
    super.add(component, origin);
    const presets = { [component.name]: {}, ...component.architectures };
    for (const [name, preset] of Object.entries(presets)) {
      this.addArchitecture(component.name, name, preset, origin);
    }
    return this;
  }

  /** Names a set of values for the configuration of a model that is there already. */
  addArchitecture(
    model: string,
    name: string,
    preset: Readonly<Record<string, unknown>>,
    origin = "weft",
  ): this {
    const component = this.get(model);
    requireValidPreset(component, name, preset);
    this.architectures.add({ name, component, preset }, origin);
    return this;
  }

  override names(): string[] {
    return this.architectures.names();
  }

  override choose(name: string): { component: T; preset: Readonly<Record<string, unknown>> } {
    return this.architectures.get(name);
  }
}

interface Architecture<T> {
  readonly name: string;
  readonly component: T;
  readonly preset: Readonly<Record<string, unknown>>;
}

function requireValidPreset(model: Component, name: string, preset: object): void {
  const place = `architecture ${JSON.stringify(name)} of model ${JSON.stringify(model.name)}`;
  for (const [key, value] of Object.entries(preset)) {
    const field: z.core.$ZodType | undefined = model.config.shape[key];
    if (field === undefined) {
      const remedy = didYouMean(key, Object.keys(model.config.shape), "add it to the schema");
      throw new UserError({ place, problem: `sets ${key}, which the model has not`, remedy });
    }
    if (!z.safeParse(field, value).success) {
      const problem = `${key}: ${JSON.stringify(value)} is refused by the model's schema`;
      throw new UserError({ place, problem, remedy: "change the value or the schema" });
    }
  }
}
