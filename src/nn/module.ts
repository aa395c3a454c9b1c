// Parameters and the modules that own them. A module's parameters are its fields, named as fairseq
// names them: selfAttn.qProj.weight is self_attn.q_proj.weight.
import { cast } from "../../kernels/elementwise/index.ts";
import { currentFloat } from "../engine/precision.ts";
import { readVariable } from "../engine/trace.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Variable } from "../tensor/variable.ts";
import type { Initializer } from "./initializer.ts";

/** A trained tensor. It has storage once it is bound to a variable. */
export class Parameter {
  private storage: { readonly value: Variable; readonly working: Variable } | undefined;

  constructor(
    readonly shape: Shape,
    readonly initialize: Initializer,
  ) {}

  /** @param working what programs of f16 compute with, where it is not the value itself. */
  bind(value: Variable, working: Variable = value): void {
    this.storage = { value, working };
  }

  /** What is saved and loaded. */
  get variable(): Variable {
    return this.bound.value;
  }

  /** Its value at this point of the program, of the program's dtype. */
  get value(): Tensor {
    const { value, working } = this.bound;
    const float = currentFloat();
    return cast(readVariable(float === "f16" ? working : value), float);
  }

  private get bound() {
    if (!this.storage) throw new Error("Parameter: used before it was bound to a variable");
    return this.storage;
  }
}

const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A part of a model. Subclasses hold Parameters, Modules and arrays of Modules in their fields. */
export abstract class Module {
  /** All parameters with their full names; a shared one appears under each of its names. */
  *namedParameters(prefix = ""): Generator<[name: string, parameter: Parameter]> {
    for (const [field, value] of Object.entries(this)) {
      yield* parametersOf(value, `${prefix}${snakeCase(field)}`);
    }
  }
}

function* parametersOf(value: unknown, name: string): Generator<[string, Parameter]> {
  if (value instanceof Parameter) yield [name, value];
  else if (value instanceof Module) yield* value.namedParameters(`${name}.`);
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* parametersOf(item, `${name}.${index}`);
  }
}

/** Each parameter once, under its first name. */
export function uniqueParameters(module: Module): Map<string, Parameter> {
  const names = new Map<Parameter, string>();
  for (const [name, parameter] of module.namedParameters()) {
    if (!names.has(parameter)) names.set(parameter, name);
  }
  return new Map([...names].map(([parameter, name]) => [name, parameter]));
}
