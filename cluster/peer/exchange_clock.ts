// Measures one update's exchange: bytes, how long it lasted, how much of it the backward pass hid.
import type { ExchangeStats } from "./protocol.ts";

export class ExchangeClock {
  private bytesSent = 0;
  private bytesReceived = 0;
  private first: number | undefined;
  private finalAt: number | undefined;
  private reducedAt: number | undefined;

  /** @param now milliseconds, from any origin. */
  constructor(private readonly now: () => number) {}

  begin(): void {
    this.first = undefined;
    this.finalAt = undefined;
    this.reducedAt = undefined;
  }

  sent(bytes: number): void {
    this.first ??= this.now();
    this.bytesSent += bytes;
  }

  received(bytes: number): void {
    this.bytesReceived += bytes;
  }

  /** More of the gradients is final; the last call counts. */
  final(): void {
    this.finalAt = this.now();
  }

  reduced(): void {
    this.reducedAt = this.now();
  }

  take(): ExchangeStats {
    const { bytesSent: sent, bytesReceived: received, first, finalAt, reducedAt } = this;
    this.bytesSent = 0;
    this.bytesReceived = 0;
    const end = reducedAt ?? this.now();
    const lasted = first === undefined ? 0 : Math.max(0, end - first);
    const exposed = Math.min(lasted, Math.max(0, end - (finalAt ?? end)));
    return { sent, received, lasted, exposed };
  }
}
