// A socket that carries lines of JSON, each of bounded length.
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** What is sent, but not yet taken by the kernel, may grow to: then nobody reads at the other end. */
const MAX_UNSENT = 4 * 2 ** 20;

/** A dead machine is noticed after some such times without an answer. */
const KEEP_ALIVE_MILLISECONDS = 10_000;

const NEWLINE = 10;

export interface LineHandlers {
  /** A line has come. An error that it throws closes the connection. */
  line(value: unknown): void;
  /** The connection is over. Called once, last. */
  closed(): void;
}

export class JsonLines {
  private parts: Buffer[] = [];
  private size = 0;
  private isOpen = true;

  /** @param maxLine bytes of a line; a longer one closes the connection. */
  constructor(
    private readonly socket: Socket,
    private readonly maxLine: number,
    private readonly handlers: LineHandlers,
  ) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
    socket.on("data", (data: Buffer) => this.take(data));
    socket.on("error", () => this.close());
    socket.on("end", () => this.close());
    socket.on("close", () => this.close());
  }

  send(value: object): void {
    if (!this.isOpen) return;
    this.socket.write(`${JSON.stringify(value)}\n`);
    if (this.socket.writableLength > MAX_UNSENT) this.close();
  }

  /** Sends a last line, and closes once it is gone. */
  sendLast(value: object): void {
    if (!this.isOpen) return;
    this.over();
    this.socket.end(`${JSON.stringify(value)}\n`);
  }

  close(): void {
    this.socket.destroy();
    this.over();
  }

  /** The process may end although the connection is open. */
  unref(): void {
    this.socket.unref();
  }

  private over(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.parts = [];
    this.handlers.closed();
  }

  private take(data: Buffer): void {
    let rest = data;
    for (let end = rest.indexOf(NEWLINE); end >= 0 && this.isOpen; end = rest.indexOf(NEWLINE)) {
      this.keep(rest.subarray(0, end));
      this.finishLine();
      rest = rest.subarray(end + 1);
    }
    if (this.isOpen) this.keep(rest);
  }

  /** Keeps a part of a line: a copy, for the runtime may use its memory again. */
  private keep(part: Buffer): void {
    this.size += part.length;
    if (this.size > this.maxLine) this.close();
    else this.parts.push(Buffer.from(part));
  }

  private finishLine(): void {
    if (!this.isOpen) return;
    const text = Buffer.concat(this.parts).toString("utf8");
    this.parts = [];
    this.size = 0;
    try {
      this.handlers.line(JSON.parse(text));
    } catch {
      this.close();
    }
  }
}
