import { expect, test } from "bun:test";
import type { Port, Reply } from "../../../edge/runtime/port_messages.ts";
import { serveOnPort } from "../../../edge/runtime/port_server.ts";
import { PortTranslator } from "../../../edge/runtime/port_translator.ts";
import type { EdgeTranslator } from "../../../edge/runtime/translator.ts";
import { nextTurn } from "../../../edge/runtime/turn.ts";
import { toProblem } from "../../../edge/server/problem.ts";
import { UserError } from "../../../src/config/user_error.ts";
import { OutOfMemoryError } from "../../../src/wasm/heap.ts";
import { createFake } from "../server/fake_translator.ts";

type Listener = (event: { readonly data: unknown }) => void;

/** Two ports that hear each other at once; `sent` is what the server said. */
function connected(): { server: Port; client: Port; sent: Reply[] } {
  const heard: Record<"server" | "client", Listener[]> = { server: [], client: [] };
  const sent: Reply[] = [];
  const server: Port = {
    postMessage(data) {
      sent.push(data as Reply);
      for (const listener of heard.client) listener({ data });
    },
    addEventListener: (_, listener) => heard.server.push(listener),
  };
  const client: Port = {
    postMessage(data) {
      for (const listener of heard.server) listener({ data });
    },
    addEventListener: (_, listener) => heard.client.push(listener),
  };
  return { server, client, sent };
}

async function open(translator: EdgeTranslator) {
  const { server, client, sent } = connected();
  const opening = PortTranslator.open(client, () => undefined);
  await serveOnPort(server, async () => translator);
  return { port: await opening, sent };
}

test("serveOnPort() sends one partial text for all sentences that made a step in a turn", async () => {
  const fake: EdgeTranslator = {
    ...createFake(),
    async translate(_, options) {
      for (const step of [1, 2, 3]) {
        for (const sentence of [1, 2, 3, 4]) options?.onPartial?.(`${step}.${sentence}`);
        await nextTurn();
      }
      return { text: "end", sentences: [] };
    },
  };
  const { port, sent } = await open(fake);
  const partials: string[] = [];
  const { text } = await port.translate("x", { onPartial: (partial) => partials.push(partial) });
  expect(text).toBe("end");
  expect(partials).toEqual(["1.4", "2.4", "3.4"]);
  expect(sent.map(({ kind }) => kind)).toEqual(["ready", "partial", "partial", "partial", "done"]);
});

test("serveOnPort() sends no partial text behind the answer", async () => {
  const fake: EdgeTranslator = {
    ...createFake(),
    async translate(_, options) {
      options?.onPartial?.("almost");
      return { text: "end", sentences: [] };
    },
  };
  const { port, sent } = await open(fake);
  await port.translate("x", { onPartial: () => undefined });
  await nextTurn();
  await nextTurn();
  expect(sent.map(({ kind }) => kind)).toEqual(["ready", "done"]);
});

test("an error is of the same kind at the other end of the port", async () => {
  const detail = { place: "the model", problem: "no room", remedy: "send less" };
  for (const error of [new OutOfMemoryError(detail), new UserError(detail), new Error("ours")]) {
    const fake: EdgeTranslator = { ...createFake(), generate: () => Promise.reject(error) };
    const { port, sent } = await open(fake);
    const thrown = await port.generate("x").catch((reason: unknown) => reason);
    expect((thrown as Error).name).toBe(error.name);
    expect(thrown).toEqual(error);
    expect(toProblem(thrown, () => undefined).status).toBe(
      error instanceof OutOfMemoryError ? 503 : 500,
    );
    expect(structuredClone(sent.at(-1))).toEqual(sent.at(-1));
  }
});
