// The way of a request through the server: its body is read and checked, it waits for a turn, it
// runs with the translator that is current by then, and it is answered at once or by events.
import { createJsonReader } from "./body.ts";
import { type Deadline, startDeadline, within } from "./deadline.ts";
import type { Endpoint, Prepared } from "./endpoint.ts";
import { eventStream } from "./event_stream.ts";
import type { Gate } from "./gate.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { Lease, ModelPool } from "./models.ts";
import { toProblem } from "./problem.ts";
import type { Queue } from "./queue.ts";
import {
  brokenModel,
  clientGone,
  deadlinePassed,
  modelNotNamed,
  noModel,
  unknownModel,
} from "./refusals.ts";

export interface ServiceParts {
  readonly limits: Limits;
  readonly models: ModelPool;
  readonly queue: Queue;
  readonly gate: Gate;
  readonly metrics: Metrics;
  readonly report: (error: unknown) => void;
}

/** What workerd hands to each request, which it else forgets once it is answered or its client gone. */
export interface Host {
  waitUntil?(work: Promise<unknown>): void;
}

/** A request that is forgotten in the middle would keep its turn for ever. */
function keepAlive(host: Host, work: Promise<unknown>): void {
  // A rejection is the answer's business.
  host.waitUntil?.(work.catch(() => undefined));
}

/** Answers a request to one of the endpoints. @throws Problem. */
export type Service = (endpoint: Endpoint, request: Request, host?: Host) => Promise<Response>;

/** A request whose turn has come. */
interface Turn {
  readonly lease: Lease;
  readonly deadline: Deadline;
  /** When the body had been read, and when the turn came; milliseconds. */
  readonly begin: number;
  readonly start: number;
  readonly host: Host;
  end(): void;
}

export function createService(parts: ServiceParts): Service {
  const { limits, models, queue, gate, metrics, report } = parts;
  const readJson = createJsonReader(limits);

  const takeTurn = async (
    wanted: string | undefined,
    client: AbortSignal,
    host: Host,
  ): Promise<Turn> => {
    const begin = Date.now();
    // A wrong name need not wait.
    nameOf(wanted, models);
    const deadline = startDeadline(limits.deadline, client, deadlinePassed);
    const leaveGate = gate.hold();
    let leaveQueue = (): void => undefined;
    try {
      leaveQueue = await queue.enter(deadline.signal);
      const start = Date.now();
      // Asked again: models come and go during the wait.
      const lease = models.lease(nameOf(wanted, models));
      if (lease === undefined) throw noModel();
      if (!lease.translator.isReady) {
        lease.release();
        throw brokenModel(lease.name);
      }
      const end = (): void => {
        lease.release();
        leaveQueue();
        deadline.end();
        leaveGate();
      };
      return { lease, deadline, begin, start, host, end };
    } catch (error) {
      leaveQueue();
      deadline.end();
      leaveGate();
      throw error;
    }
  };

  /** The answer comes no later than the deadline; the turn ends when the translator has stopped. */
  const run = async (
    { lease, deadline, begin, start, host, end }: Turn,
    prepared: Prepared,
    onPartial?: (index: number, text: string) => void,
  ): Promise<object> => {
    const { signal, abort } = deadline;
    const work = prepared
      .run({ translator: lease.translator, signal, stop: abort, onPartial })
      .finally(end);
    keepAlive(host, work);
    const { answer, tokens } = await within(work, signal);
    metrics.produced(lease.name, tokens);
    const timing = { queue_ms: start - begin, total_ms: Date.now() - begin };
    return { model: lease.name, ...answer, timing };
  };

  const stream = (turn: Turn, prepared: Prepared, path: string): Response => {
    const body = eventStream({
      async run(onPartial) {
        try {
          return { event: "final", data: await run(turn, prepared, onPartial) };
        } catch (error) {
          return { event: "error", data: toProblem(error, report).body };
        } finally {
          metrics.took(path, Date.now() - turn.begin);
        }
      },
      cancel: () => turn.deadline.abort(clientGone()),
    });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    return new Response(body, { headers });
  };

  const answer = async (endpoint: Endpoint, request: Request, host: Host): Promise<Response> => {
    const leave = gate.enter();
    try {
      if (models.list().length === 0) throw noModel();
      const prepared = endpoint.prepare(await readJson(request));
      const turn = await takeTurn(prepared.model, request.signal, host);
      if (endpoint.streams && (prepared.stream || wantsEvents(request))) {
        return stream(turn, prepared, endpoint.path);
      }
      const result = await run(turn, prepared);
      return Response.json(result, { headers: { "cache-control": "no-store" } });
    } finally {
      leave();
    }
  };

  return async (endpoint, request, host = {}) => {
    const answered = answer(endpoint, request, host);
    keepAlive(host, answered);
    return await answered;
  };
}

function wantsEvents(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/event-stream") === true;
}

/** The model that a request means. @throws Problem. */
function nameOf(wanted: string | undefined, models: ModelPool): string {
  const names = models.names();
  if (names.length === 0) throw noModel();
  if (wanted !== undefined && !names.includes(wanted)) throw unknownModel(wanted, names);
  if (wanted === undefined && names.length > 1) throw modelNotNamed(names);
  return wanted ?? names[0];
}
