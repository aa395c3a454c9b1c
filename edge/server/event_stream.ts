// Server-sent events of one request. The reader sets the pace: what it has not read yet is replaced
// by what is newer, so that a slow reader costs one text each and no queue. (Hono's streamSSE queues
// what is written, and turns errors into text.)

/** A partial text; `index` says of which text of the request. */
interface Partial {
  readonly index: number;
  readonly text: string;
}

/** The last event of a stream. */
export interface LastEvent {
  readonly event: "final" | "error";
  readonly data: object;
}

export interface EventStreamOptions {
  /** Runs the request, telling partial texts as they come; not rejected. */
  run(onPartial: (index: number, text: string) => void): Promise<LastEvent>;
  /** The reader went away. */
  cancel(): void;
}

/** The body of an answer: events `partial`, then `final` or `error`. */
export function eventStream({ run, cancel }: EventStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const partials = new Map<number, string>();
  let last: LastEvent | undefined;
  let isCancelled = false;
  let wake = (): void => undefined;

  const finished = async (): Promise<void> => {
    last = await run((index, text) => {
      partials.set(index, text);
      wake();
    });
    partials.clear();
    wake();
  };

  const news = async (): Promise<void> => {
    if (last !== undefined || partials.size > 0 || isCancelled) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };

  return new ReadableStream<Uint8Array>(
    {
      start() {
        // Not awaited: nothing would be pulled before the end.
        finished();
      },
      async pull(controller) {
        await news();
        if (isCancelled) return;
        const texts: Partial[] = [...partials].map(([index, text]) => ({ index, text }));
        partials.clear();
        const events = texts.map((data) => eventText("partial", data));
        if (last !== undefined) events.push(eventText(last.event, last.data));
        controller.enqueue(encoder.encode(events.join("")));
        if (last !== undefined) controller.close();
      },
      cancel() {
        isCancelled = true;
        cancel();
        wake();
      },
    },
    { highWaterMark: 0 },
  );
}

/** JSON has no line breaks of its own, so an event's data is one line. */
function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
