// What the main thread does when the members change more quickly than it can follow.
import { expect, test } from "bun:test";
import type { View } from "../../../cluster/membership/view.ts";
import { Cluster } from "../../../cluster/peer/cluster.ts";
import type { CommunicationThread } from "../../../cluster/peer/communication_thread.ts";
import type { Event, Request } from "../../../cluster/peer/protocol.ts";
import { ViewChanged } from "../../../cluster/peer/view_changed.ts";
import type { ViewHandlers } from "../../../cluster/peer/view_handlers.ts";
import { MAX_TEXT } from "../../../cluster/wire/text_parts.ts";
import { TemporaryFailure } from "../../../src/config/temporary_failure.ts";
import { UserError } from "../../../src/config/user_error.ts";

const held = { step: 4, sums: new Map() };

const viewOf = (generation: number, resume: number, fetching: number[] = []): View => ({
  generation,
  members: [0, 1].map((rank) => ({ rank, incarnation: 1, host: "h", port: 1 })),
  ...{ resume, fetching },
});

/** Rank 1 of two, whose communication thread says what a test says. */
function peer({ startTimeout = 100 } = {}) {
  const asked: Request[] = [];
  const thread: CommunicationThread = {
    onmessage: null,
    onerror: null,
    postMessage: (request: Request) => asked.push(request),
    terminate: () => undefined,
  };
  const cluster = new Cluster(thread, () => undefined);
  const settings = { rank: 1, size: 2, incarnation: 1, job: "j", joining: false };
  cluster.start({
    settings: {
      ...{ ...settings, agreement: {}, wire: "f32", patience: 1000 },
      ...{ hangsAfter: 1e6, counts: "update", fence: undefined },
    },
    numbers: {
      memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }),
      ...{
        gradients: [],
        state: [],
        parameterBlocks: 0,
        microBatches: 0,
        scratch: { address: 0, bytes: 0 },
      },
    },
    ...{ step: 0, own: { host: "h", port: 1 }, addresses: [], startTimeout },
  });
  const tell = (event: Event): void => {
    thread.onmessage?.call(thread as Worker, { data: event } as MessageEvent);
  };
  const kinds = () => asked.map(({ kind }) => kind).filter((kind) => kind !== "start");
  return { cluster, tell, kinds, asked };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

/** What was done, in order; saving lasts until `saved`. */
function handlers() {
  const done: string[] = [];
  const saving = Promise.withResolvers<void>();
  const made: ViewHandlers = {
    async applyHeld() {
      done.push("apply");
    },
    async record() {
      done.push("record");
      return "";
    },
    async restore() {
      done.push("restore");
    },
    async suspended() {
      done.push("save");
      await saving.promise;
    },
  };
  return { done, made, saved: () => saving.resolve() };
}

test("Cluster applies an update that all hold, though the view changes once more while it saves", async () => {
  const { cluster, tell } = peer();
  const { done, made, saved } = handlers();
  const settled = cluster.settle(made);
  tell({ kind: "suspended", reason: "alone" });
  await turn();
  tell({ kind: "view", view: viewOf(2, 5), held });
  tell({ kind: "view", view: viewOf(3, 5), held: undefined });
  saved();
  await turn();
  tell({ kind: "assembled", generation: 3 });
  await settled;
  expect(done).toEqual(["save", "apply"]);
});

test("Cluster saves with the update that all hold, if it is suspended before it applied that", async () => {
  const { cluster, tell } = peer();
  const { done, made, saved } = handlers();
  saved();
  const update = cluster.sums(4, [], 0);
  tell({ kind: "view", view: viewOf(2, 5), held });
  tell({ kind: "suspended", reason: "alone" });
  await expect(update).rejects.toThrow(ViewChanged);
  const settled = cluster.settle(made);
  await turn();
  tell({ kind: "view", view: viewOf(3, 5), held: undefined });
  tell({ kind: "assembled", generation: 3 });
  await settled;
  expect(done).toEqual(["apply", "save"]);
});

test("Cluster leaves its memory to others only once nothing of its own uses it", async () => {
  const { cluster, tell, kinds } = peer();
  const { done, made, saved } = handlers();
  const settled = cluster.settle(made);
  tell({ kind: "suspended", reason: "alone" });
  await turn();
  tell({ kind: "view", view: viewOf(4, 9, [1]), held: undefined });
  await turn();
  expect([done, kinds()]).toEqual([["save"], []]);
  saved();
  await turn();
  expect(kinds()).toEqual(["fetch"]);
  // The donor is gone before all was there: what is in memory now is nothing to save.
  tell({ kind: "suspended", reason: "alone again" });
  await turn();
  expect(done).toEqual(["save"]);
  tell({ kind: "view", view: viewOf(5, 9, [1]), held: undefined });
  await turn();
  tell({ kind: "fetched", generation: 5, record: "" });
  await turn();
  tell({ kind: "assembled", generation: 5 });
  await settled;
  expect([done, kinds()]).toEqual([
    ["save", "restore"],
    ["fetch", "fetch", "installed"],
  ]);
});

test("Cluster tells the user's mistakes from what may go better another time", async () => {
  const failureOf = async ({ cluster }: ReturnType<typeof peer>): Promise<unknown> =>
    await cluster.settle(handlers().made).catch((error: unknown) => error);
  for (const isMistake of [true, false]) {
    const other = peer();
    other.tell({ kind: "failed", reason: "rank 0 has failed: why", isMistake });
    const failure = await failureOf(other);
    expect(failure).toBeInstanceOf(UserError);
    expect(failure instanceof TemporaryFailure).toBe(!isMistake);
  }
  const alone = peer({ startTimeout: 0.01 });
  alone.tell({ kind: "awaiting", ranks: [0], trouble: ["h:1: it was reset; see there"] });
  // A process that only waits for others has a communication thread that keeps it from ending.
  const [failure] = await Promise.all([
    failureOf(alone),
    new Promise((end) => setTimeout(end, 50)),
  ]);
  expect(failure).toBeInstanceOf(TemporaryFailure);
  expect((failure as Error).message).toStartWith(
    "cluster: not all peers came within 0.01 s, waiting for rank 0 (h:1: it was reset, see there);\n  start",
  );
  expect(alone.asked.at(-1)).toMatchObject({ kind: "fail", isMistake: false });
});

test("Cluster does not wait for ever where it is cut off from the others", async () => {
  const { cluster, tell, kinds } = peer({ startTimeout: 0.02 });
  const { made, saved } = handlers();
  saved();
  const settled = cluster.settle(made).catch((error: unknown) => error);
  tell({ kind: "view", view: viewOf(1, 0), held: undefined });
  await turn();
  tell({ kind: "suspended", reason: "only 1 of the last 2 members are in reach" });
  const [failure] = await Promise.all([settled, new Promise((end) => setTimeout(end, 60))]);
  expect(failure).toBeInstanceOf(TemporaryFailure);
  expect((failure as Error).message).toStartWith(
    "cluster: only 1 of the last 2 members are in reach, and nobody has come back within 0.02 s;",
  );
  // The others may just be taking it in again: it leaves, and does not end the job.
  const left = cluster.leave("cut off");
  tell({ kind: "left" });
  await left;
  expect(kinds()).toEqual(["installed", "leave", "close"]);
});

test("Cluster waits on where the others come back in time", async () => {
  const { cluster, tell } = peer({ startTimeout: 0.02 });
  const { made, saved } = handlers();
  saved();
  const settled = cluster.settle(made);
  tell({ kind: "suspended", reason: "alone" });
  await turn();
  tell({ kind: "view", view: viewOf(2, 5), held: undefined });
  await new Promise((end) => setTimeout(end, 60));
  tell({ kind: "assembled", generation: 2 });
  await settled;
});

test("Cluster sends no value that is too long for the others, and says so", async () => {
  const { cluster, kinds } = peer();
  const shared = cluster.share("valid 72", "x".repeat(MAX_TEXT + 1));
  await expect(shared).rejects.toThrow(
    'this peer\'s share of "valid 72": has 65 MiB, and peers tell each other 64 MiB at most',
  );
  expect(kinds()).toEqual([]);
});
