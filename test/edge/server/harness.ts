// A server over fakes, and how tests talk to it.
import { createModels, type Models } from "../../../edge/server/models.ts";
import { createServer, type EdgeServer, type ServerOptions } from "../../../edge/server/server.ts";
import { createFake, type FakeOptions, type FakeTranslator } from "./fake_translator.ts";

export interface Harness {
  readonly server: EdgeServer;
  readonly models: Models;
  readonly fake: FakeTranslator;
  /** What the server reported as its own failures. */
  readonly reported: unknown[];
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** Posts a value as JSON. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

export async function startServer(
  options: Omit<ServerOptions, "models"> & { readonly fake?: FakeOptions } = {},
): Promise<Harness> {
  const { fake: fakeOptions, ...rest } = options;
  const fake = createFake(fakeOptions);
  const models = createModels();
  await models.load("fake", async () => fake);
  const reported: unknown[] = [];
  const report = (error: unknown): void => {
    reported.push(error);
  };
  const server = createServer({ models, report, ...rest });
  return {
    server,
    models,
    fake,
    reported,
    get: (path, headers) => server.fetch(new Request(`http://weft.test${path}`, { headers })),
    post: (path, body, init) => server.fetch(jsonRequest(path, JSON.stringify(body), init)),
  };
}

export function jsonRequest(path: string, body: BodyInit, init: RequestInit = {}): Request {
  return new Request(`http://weft.test${path}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
    ...init,
  });
}

/** The `error` of an answer. */
export interface ErrorDetail {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly remedy: string;
}

export async function errorOf(response: Response): Promise<ErrorDetail & { status: number }> {
  const { error } = (await response.json()) as { error: ErrorDetail };
  return { status: response.status, ...error };
}

export interface ServerEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** All events of an answer, once it has ended. */
export async function eventsOf(response: Response): Promise<ServerEvent[]> {
  return parseEvents(await response.text());
}

export function parseEvents(text: string): ServerEvent[] {
  return [...text.matchAll(/event: (.*)\ndata: (.*)\n\n/g)].map(([, event, data]) => ({
    event,
    data: JSON.parse(data) as Record<string, unknown>,
  }));
}

/** Reads an answer's events chunk by chunk. */
export function eventReader(response: Response) {
  const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
  const read = async (): Promise<ServerEvent[]> => {
    const { value } = await reader.read();
    return value === undefined ? [] : parseEvents(new TextDecoder().decode(value));
  };
  return {
    read,
    async rest(): Promise<ServerEvent[]> {
      const events: ServerEvent[] = [];
      for (let chunk = await read(); chunk.length > 0; chunk = await read()) events.push(...chunk);
      return events;
    },
  };
}
