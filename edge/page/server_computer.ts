// Translations by the server that the page came from, over its HTTP interface (see /docs there).
import { UserError } from "../../src/config/user_error.ts";
import type { RequestOptions, TextResult } from "../runtime/translator.ts";
import { type Computer, describeModel, TokenWanted } from "./computer.ts";
import { type ServerEvent, serverEvents } from "./server_events.ts";

/** An entry of v1/models, as far as the page reads it. */
interface ListedModel {
  readonly name: string;
  readonly source_lang: string;
  readonly target_lang: string;
  readonly licence: string;
  readonly parameters: number;
  readonly quantize: string;
  readonly engine: string;
}

/** The body of every refusal. */
interface Refusal {
  readonly error: {
    readonly message: string;
    readonly field?: string;
    readonly remedy: string;
  };
}

/** @param base the page's address: the server may stand behind a proxy, below any path. */
export function serverComputer(base: string): Computer {
  let listed: readonly ListedModel[] = [];
  let token = "";

  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (token !== "") headers.set("authorization", `Bearer ${token}`);
    const response = await reach(new URL(path, base), { ...init, headers });
    if (response.ok) return response;
    if (response.status === 401) throw new TokenWanted("The server asks for a token.");
    throw await refusalOf(response);
  };

  const translate = async (
    model: string,
    text: string,
    { signal, onPartial, ...search }: RequestOptions,
  ): Promise<TextResult> => {
    const response = await ask("v1/translate", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, text, ...search, token_scores: true, stream: true }),
      signal,
    });
    const { event, data } = await lastEvent(response, signal, onPartial);
    if (event === "error") throw userError(JSON.parse(data) as Refusal);
    return (JSON.parse(data) as { translations: TextResult[] }).translations[0];
  };

  return {
    authorize(given) {
      token = given.trim();
    },
    async offers() {
      const response = await ask("v1/models");
      listed = ((await response.json()) as { models: ListedModel[] }).models;
      return { models: listed.map(({ name }) => name), engines: [] };
    },
    async open(name) {
      const model = listed.find((each) => each.name === name);
      if (model === undefined) throw new Error(`The server has no model called ${name}.`);
      return {
        ...describeModel(model),
        translate: (text, options = {}) => translate(name, text, options),
      };
    },
  };
}

/** Reads an answer by events to its end. @throws Error if it has none. */
async function lastEvent(
  { body }: Response,
  signal: AbortSignal | undefined,
  onPartial: RequestOptions["onPartial"],
): Promise<ServerEvent> {
  try {
    for await (const event of body ? serverEvents(body) : []) {
      if (event.event !== "partial") return event;
      onPartial?.((JSON.parse(event.data) as { text: string }).text);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(CUT_SHORT, { cause });
  }
  throw new Error(CUT_SHORT);
}

const CUT_SHORT = "The connection ended before the translation did.";

/** fetch() that says which server did not answer; its own words differ from browser to browser. */
async function reach(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw new Error(`The server at ${url.host} cannot be reached.`, { cause });
  }
}

async function refusalOf(response: Response): Promise<Error> {
  try {
    return userError((await response.json()) as Refusal);
  } catch {
    // Something between the page and the server answered.
    return new Error(`The server answered with status ${response.status}.`);
  }
}

const userError = ({ error: { field, message, remedy } }: Refusal): UserError =>
  new UserError({ place: field ?? "request", problem: message, remedy });
