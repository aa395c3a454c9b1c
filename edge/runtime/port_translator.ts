// The other end of port_server.ts: a translator that lives in another thread.
import { UserError } from "../../src/config/user_error.ts";
import { OutOfMemoryError } from "../../src/wasm/heap.ts";
import type { Manifest } from "./manifest.ts";
import type { Call, Failure, Port, Reply, Request, SentOptions } from "./port_messages.ts";
import type {
  EdgeTranslator,
  HypothesisResult,
  RequestOptions,
  SentenceResult,
  TextResult,
} from "./translator.ts";

interface Waiting {
  resolve(result: unknown): void;
  reject(reason: unknown): void;
  readonly onPartial: RequestOptions["onPartial"];
}

/** A call without what the translator adds to it. */
type Asked =
  | { readonly kind: "score"; readonly source: string; readonly target: string }
  | {
      readonly kind: "translate" | "generate";
      readonly text: string;
    };

export class PortTranslator implements EdgeTranslator {
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private closed: Error | undefined;

  private constructor(
    private readonly port: Port,
    private readonly terminate: () => void,
    readonly manifest: Manifest,
    readonly maxSourceTokens: number,
    readonly engine: string,
    private lastMemory: EdgeTranslator["memory"],
  ) {
    port.addEventListener("message", ({ data }) => this.hear(data as Reply));
  }

  /**
   * Waits until the thread has loaded its model.
   *
   * @param terminate ends the thread. @throws UserError if the thread refuses the bundle.
   */
  static open(port: Port, terminate: () => void): Promise<PortTranslator> {
    return new Promise((resolve, reject) => {
      port.addEventListener("message", ({ data }) => {
        const reply = data as Reply;
        if (reply.kind === "refused") {
          terminate();
          reject(errorOf(reply.failure));
        } else if (reply.kind === "ready") {
          const { manifest, maxSourceTokens, engine, memory } = reply;
          const told = [manifest, maxSourceTokens, engine, memory] as const;
          resolve(new PortTranslator(port, terminate, ...told));
        }
      });
    });
  }

  /** As the thread said with its last answer. */
  get memory(): EdgeTranslator["memory"] {
    return this.lastMemory;
  }

  get isReady(): boolean {
    return this.closed === undefined;
  }

  /** Calls that run in the thread or wait there; without end once the thread is gone. */
  get load(): number {
    return this.closed ? Number.POSITIVE_INFINITY : this.waiting.size;
  }

  async translate(text: string, options: RequestOptions = {}): Promise<TextResult> {
    return (await this.call({ kind: "translate", text }, options)) as TextResult;
  }

  async generate(text: string, options: RequestOptions = {}): Promise<SentenceResult> {
    return (await this.call({ kind: "generate", text }, options)) as SentenceResult;
  }

  async score(
    source: string,
    target: string,
    options: RequestOptions = {},
  ): Promise<HypothesisResult> {
    return (await this.call({ kind: "score", source, target }, options)) as HypothesisResult;
  }

  close(): void {
    this.fail(new Error("the model was closed"));
  }

  /** Ends the thread, and with it all calls: when it was closed, or has broken down. */
  fail(error: Error): void {
    if (this.closed) return;
    this.closed = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    this.terminate();
  }

  private async call(
    asked: Asked,
    { signal, onPartial, ...options }: RequestOptions,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    if (this.closed) throw this.closed;
    const id = this.next++;
    const abort = (): void => {
      this.send({ kind: "abort", id });
      this.waiting.get(id)?.reject(signal?.reason);
      this.waiting.delete(id);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject, onPartial });
        const sent: SentOptions = options;
        const call: Call = { ...asked, id, partials: onPartial !== undefined, options: sent };
        this.send(call);
      });
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  private send(request: Request): void {
    this.port.postMessage(request);
  }

  private hear(reply: Reply): void {
    if (reply.kind === "ready" || reply.kind === "refused") return;
    const waiting = this.waiting.get(reply.id);
    if (reply.kind === "done") this.lastMemory = reply.memory;
    if (reply.kind === "partial") {
      waiting?.onPartial?.(reply.text);
      return;
    }
    this.waiting.delete(reply.id);
    if (reply.kind === "done") waiting?.resolve(reply.result);
    else waiting?.reject(errorOf(reply.failure));
  }
}

function errorOf(failure: Failure): Error {
  if (failure.kind === "internal") return new Error(failure.message);
  return failure.kind === "memory"
    ? new OutOfMemoryError(failure.detail)
    : new UserError(failure.detail);
}
