// What the exchange of several updates came to, for the log.
import type { HeldUpdate } from "../collective/update_barrier.ts";
import type { ExchangeStats } from "./protocol.ts";
import type { StepUnit } from "./status_report.ts";

export class ExchangeTotals {
  private updates = 0;
  private bytes = 0;
  private lasted = 0;
  private exposed = 0;
  private readonly tokens = new Map<number, number>();
  private readonly busy = new Map<number, number>();

  /** @param unit what was exchanged. After a round each peer tells its tokens, and the seconds that they took. */
  add({ sums }: HeldUpdate, stats: ExchangeStats, unit: StepUnit): void {
    const { sent, received, lasted, exposed } = stats;
    this.updates++;
    this.bytes += sent + received;
    this.lasted += lasted;
    this.exposed += exposed;
    for (const [rank, { rows, busy }] of sums) {
      const total = (column: number): number =>
        rows.reduce((sum, [, numbers]) => sum + (numbers[column] ?? 0), 0);
      this.tokens.set(rank, (this.tokens.get(rank) ?? 0) + total(0));
      // Only after a round does the second number count seconds.
      this.busy.set(rank, (this.busy.get(rank) ?? 0) + (unit === "round" ? total(1) : busy));
    }
  }

  /**
   * Since the last call: `exchanged_mb` per update, or round of them, sent and received by this peer;
   * `hidden`, the share of the exchange's time (in %) that fell into the backward pass; `wps_N`, tokens
   * per second that rank N computes.
   */
  take(): Map<string, number> {
    const { updates, bytes, lasted, exposed, tokens, busy } = this;
    const stats = new Map<string, number>();
    if (updates > 0) {
      stats.set("exchanged_mb", round(bytes / updates / 1e6, 2));
      stats.set("hidden", lasted > 0 ? round(100 * (1 - exposed / lasted), 1) : 100);
      for (const [rank, count] of [...tokens].sort(([a], [b]) => a - b)) {
        stats.set(`wps_${rank}`, round(count / Math.max(1e-9, busy.get(rank) ?? 0), 1));
      }
    }
    this.updates = 0;
    this.bytes = 0;
    this.lasted = 0;
    this.exposed = 0;
    tokens.clear();
    busy.clear();
    return stats;
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
