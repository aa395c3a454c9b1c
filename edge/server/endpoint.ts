// What a route that runs a model is made of. The app, openapi.json and the page at /docs read it.
import type * as z from "zod";
import type { EdgeTranslator } from "../runtime/translator.ts";

/** What a request runs with, once its turn has come. */
export interface Call {
  readonly translator: EdgeTranslator;
  readonly signal: AbortSignal;
  /** Aborts the signal: one of the request's texts has failed, and the others need not go on. */
  stop(reason: unknown): void;
  /** Only when the answer is streamed: the text `index` as far as it is known. */
  readonly onPartial?: (index: number, text: string) => void;
}

export interface Outcome {
  /** The answer, less `model` and `timing`, which all have. */
  readonly answer: object;
  /** Output tokens of the best hypotheses. */
  readonly tokens: number;
}

/** A body that was found good. */
export interface Prepared {
  readonly model?: string;
  readonly stream: boolean;
  run(call: Call): Promise<Outcome>;
}

export interface Endpoint {
  readonly path: string;
  /** Of its schemas in openapi.json: "Translate". */
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly request: z.ZodObject;
  readonly answer: z.ZodObject;
  readonly example: { readonly request: object; readonly answer: object };
  readonly streams: boolean;
  /** @throws Problem that names the field. */
  prepare(body: unknown): Prepared;
}
