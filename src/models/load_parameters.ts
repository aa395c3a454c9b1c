// Writes loaded weights into a model, by fairseq's parameter names.
import { UserError } from "../config/user_error.ts";
import type { Device } from "../device/device.ts";
import type { Module, Parameter } from "../nn/module.ts";
import { formatShape, sameShape } from "../tensor/shape.ts";

export interface NamedWeight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** How many names an error lists before it only counts. */
const LISTED = 5;

/**
 * Every parameter gets its tensor; a shared one takes the first of its names that is there.
 *
 * @param place file that the tensors come from, for errors.
 * @throws UserError if a tensor is missing, left over, or of another shape.
 */
export function loadParameters(
  model: Module,
  device: Device,
  tensors: ReadonlyMap<string, NamedWeight>,
  place: string,
): void {
  const names = new Map<Parameter, string[]>();
  for (const [name, parameter] of model.namedParameters()) {
    const known = names.get(parameter);
    if (known) known.push(name);
    else names.set(parameter, [name]);
  }
  const missing = [...names.values()].filter((aliases) => !aliases.some((n) => tensors.has(n)));
  refuseIfAny(
    place,
    "lacks",
    missing.map(([first]) => first),
  );
  const expected = new Set([...names.values()].flat());
  refuseIfAny(
    place,
    "has unknown",
    [...tensors.keys()].filter((name) => !expected.has(name)),
  );
  for (const [parameter, aliases] of names) {
    const name = aliases.find((alias) => tensors.has(alias));
    const tensor = name === undefined ? undefined : tensors.get(name);
    if (!name || !tensor) continue;
    if (!sameShape(tensor.shape, parameter.shape)) {
      throw new UserError({
        place,
        problem: `${name} is ${formatShape(tensor.shape)}, the model's is ${formatShape(parameter.shape)}`,
        remedy: "use the dictionaries and the architecture that the file was made with",
      });
    }
    device.write(parameter.variable, tensor.data);
  }
}

function refuseIfAny(place: string, what: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const rest = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
  throw new UserError({
    place,
    problem: `${what} parameters: ${names.slice(0, LISTED).join(", ")}${rest}`,
    remedy: "give the architecture options that the file was made with (weft config shows them)",
  });
}

/**
 * Renames the layers of one side so that only `kept` remain, in order: what
 * --encoder-layers-to-keep asks for. Names of other parameters stay.
 */
export function keepLayers<T>(
  tensors: ReadonlyMap<string, T>,
  side: "encoder" | "decoder",
  kept: readonly number[],
): Map<string, T> {
  const pattern = new RegExp(`^${side}\\.layers\\.(\\d+)\\.`);
  const result = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    const match = pattern.exec(name);
    if (!match) result.set(name, tensor);
    else {
      const place = kept.indexOf(Number(match[1]));
      if (place >= 0) result.set(name.replace(pattern, `${side}.layers.${place}.`), tensor);
    }
  }
  return result;
}
