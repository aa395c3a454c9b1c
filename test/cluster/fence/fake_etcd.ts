// As much of etcd's JSON gateway as a fence speaks to: ranges of one key, and transactions of one comparison.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

interface Range {
  readonly key: string;
}
interface Put {
  readonly key: string;
  readonly value: string;
}
interface Transaction {
  readonly compare: readonly [{ readonly key: string; readonly mod_revision: string }];
  readonly success: readonly [{ readonly request_put: Put }];
  readonly failure: readonly [{ readonly request_range: Range }];
}

export interface FakeEtcd {
  readonly url: string;
  keys(): string[];
  /** What the next request gets, whatever it asks. */
  answerOnce(status: number, body: string): void;
  stop(): void;
}

export async function startFakeEtcd(): Promise<FakeEtcd> {
  const kept = new Map<string, { value: string; mod_revision: string }>();
  let revision = 1;
  let planned: { status: number; body: string } | undefined;

  const range = ({ key }: Range): object => {
    const entry = kept.get(key);
    return entry ? { kvs: [{ key, ...entry }], count: "1" } : {};
  };
  const transact = ({ compare: [compared], success, failure }: Transaction): object => {
    if ((kept.get(compared.key)?.mod_revision ?? "0") !== compared.mod_revision) {
      return { responses: [{ response_range: range(failure[0].request_range) }] };
    }
    const { key, value } = success[0].request_put;
    kept.set(key, { value, mod_revision: String(++revision) });
    return { succeeded: true, responses: [{ response_put: {} }] };
  };

  const server = createServer(async (request, response) => {
    const body = await json(request);
    const answer = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(text);
    };
    if (planned) {
      answer(planned.status, planned.body);
      planned = undefined;
    } else if (request.url === "/v3/kv/range") answer(200, JSON.stringify(range(body as Range)));
    else if (request.url === "/v3/kv/txn")
      answer(200, JSON.stringify(transact(body as Transaction)));
    else answer(404, "{}");
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    keys: () => [...kept.keys()].map((key) => atob(key)),
    answerOnce(status, body) {
      planned = { status, body };
    },
    stop: () => void server.close(),
  };
}
