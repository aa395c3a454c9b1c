// Everything that a request is answered with instead of a result:
// { "error": { "code", "message", "field"?, "remedy" } }.
import { UserError } from "../../src/config/user_error.ts";
import { OutOfMemoryError } from "../../src/wasm/heap.ts";

/** What a client reads about a refused request. */
export interface ProblemDetail {
  /** For programs: one word that stays the same. */
  readonly code: string;
  /** For people: what is wrong, with the value. */
  readonly message: string;
  /** The path of the field of the body: `text[2]`, `sampling.topk`. */
  readonly field?: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** A request that cannot be answered; thrown anywhere, or the reason of an aborted signal. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: ProblemDetail,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail.message);
    this.name = "Problem";
  }

  get body(): { readonly error: ProblemDetail } {
    return { error: this.detail };
  }

  response(): Response {
    const headers = { ...this.headers, "cache-control": "no-store" };
    return Response.json(this.body, { status: this.status, headers });
  }
}

/** Any error as a problem: a user's mistake is told, one of ours is only reported. */
export function toProblem(error: unknown, report: (error: unknown) => void): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UserError && isField(error.detail.place)) {
    const { place, problem, remedy } = error.detail;
    return new Problem(422, { code: "refused", message: problem, field: place, remedy });
  }
  if (error instanceof OutOfMemoryError) {
    report(error);
    return new Problem(503, {
      code: "no_memory",
      message: "the server has no memory left for this request",
      remedy: "send it again later, in smaller parts, or with a smaller beam or max_len",
    });
  }
  report(error);
  return new Problem(500, {
    code: "internal",
    message: "the server failed at this request",
    remedy: "the fault is not yours; try again, and tell who runs this server",
  });
}

/** Fields of requests that the translator itself may refuse; what it says of other places is about us. */
const FIELDS = new Set([
  ...["text", "source", "target", "prefix", "beam", "nbest", "lenpen", "max_len", "min_len"],
  ...["no_repeat_ngram_size", "temperature", "sampling"],
]);

/** "text", "text[2]", "sampling.topk". */
const isField = (place: string): boolean => FIELDS.has(place.replace(/[.[].*$/, ""));

/** A text of a client within a message: short, and without anything that could do harm. */
export function quoted(text: string): string {
  const LONGEST = 60;
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
  return JSON.stringify(short.toWellFormed());
}
