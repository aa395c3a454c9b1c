// Who computes for the page: the server that it came from, or a Web Worker of its own.
import type { EdgeTranslator } from "../runtime/translator.ts";

export interface Computer {
  /** What there is to choose from. @throws Error in words for people. */
  offers(): Promise<Offers>;

  /**
   * Makes a model ready. The one that was open before is closed.
   *
   * @param engine one of those offered, if any. @param tell hears how far it is.
   * @throws UserError if the model cannot be had, or the engine does not run here.
   */
  open(name: string, engine: string, tell: (progress: Progress) => void): Promise<OpenModel>;

  /** Where computing may need a bearer token: takes the one to use from now on. */
  readonly authorize?: (token: string) => void;
}

export interface Offers {
  /** Names of the models. */
  readonly models: readonly string[];
  /** What may compute; empty where the page has no choice. */
  readonly engines: readonly string[];
}

export interface Progress {
  /** Bytes that have come, of how many. */
  readonly done: number;
  readonly total: number;
}

/** A model that is ready. */
export interface OpenModel extends Pick<EdgeTranslator, "translate"> {
  /** Languages as the model's card names them. */
  readonly source: string;
  readonly target: string;
  /** One line for people: size, weights, licence, what computes. */
  readonly about: string;
}

/** What the page tells of a model. */
export function describeModel(model: {
  readonly source_lang: string;
  readonly target_lang: string;
  readonly parameters: number;
  readonly quantize: string;
  readonly licence: string;
  readonly engine: string;
}): Pick<OpenModel, "source" | "target" | "about"> {
  const { source_lang: source, target_lang: target, parameters, quantize, licence, engine } = model;
  const weights = quantize === "none" ? "float32" : quantize;
  const millions = (parameters / 1e6).toFixed(1);
  const about = `${source} to ${target}, ${millions} million parameters, ${weights}, licence: ${licence}; computed by ${engine}`;
  return { source, target, about };
}

/** A server wants a bearer token, or another one. */
export class TokenWanted extends Error {
  override readonly name = "TokenWanted";
}
