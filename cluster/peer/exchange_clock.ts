// Measures one update's exchange: bytes, how long it lasted, how much of it the backward pass hid.
import type { ExchangeStats } from "./protocol.ts";

export class ExchangeClock {
  private bytesSent = 0;
  private bytesReceived = 0;
  private begunAt = 0;
  private first: number | undefined;
  /** When the gradients of all were final, as far as this peer knows. */
  private finalAt: number | undefined;
  private reducedAt: number | undefined;

  /** @param now milliseconds, from any origin. */
  constructor(private readonly now: () => number) {}

  begin(): void {
    this.begunAt = this.now();
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

  /** More of this peer's gradients is final; the last call counts. */
  final(): void {
    this.finalAt = this.now();
  }

  /**
   * Another peer says that it has computed its share. Waiting for one that is slower is not exchange.
   * @param busy seconds that it took from the beginning of the update: the word may come later than that,
   * behind gradients that it sent before.
   */
  othersFinal(busy: number): void {
    const at = Math.min(this.now(), this.begunAt + 1000 * busy);
    this.finalAt = Math.max(this.finalAt ?? at, at);
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
