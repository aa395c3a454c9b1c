import { z } from "zod";
import { UserError } from "../config/user_error.ts";
import { lrScheduler, rateAt } from "./schedule.ts";

const rates = z.record(z.string(), z.number().min(0)).default({});

const config = z.strictObject({
  epoch2lr: rates.describe("rates by epoch, such as {'1-3': 0.1, '4,6': 0.05}"),
  update2lr: rates.describe("rates by number of updates done, likewise; they win over epochs"),
});

/** Rates from two tables. Each holds until the next one that is named. */
export const manual = lrScheduler("manual", config, (c, lr) => {
  const byEpoch = readTable("--epoch2lr", c.epoch2lr);
  const byUpdate = readTable("--update2lr", c.update2lr);
  const first = byEpoch.get(1) ?? byUpdate.get(1) ?? rateAt(lr, 0);
  return (updates, epoch) => lastUpTo(byUpdate, updates) ?? lastUpTo(byEpoch, epoch) ?? first;
});

/** The rate of the greatest number that is not above `limit`. */
function lastUpTo(table: ReadonlyMap<number, number>, limit: number): number | undefined {
  let reached = Number.NEGATIVE_INFINITY;
  for (const number of table.keys()) {
    if (number <= limit && number > reached) reached = number;
  }
  return table.get(reached);
}

/** "4", "6,8" and "1-3" name numbers. */
function readTable(place: string, table: Readonly<Record<string, number>>): Map<number, number> {
  const byNumber = new Map<number, number>();
  for (const [key, rate] of Object.entries(table)) {
    for (const part of key.split(",")) {
      const range = /^\s*(\d+)(?:\s*-\s*(\d+))?\s*$/.exec(part);
      if (range === null) {
        throw new UserError({
          place,
          problem: `${JSON.stringify(key)} names no numbers`,
          remedy: "write a number, a range 1-3, or several joined by commas",
        });
      }
      const from = Number(range[1]);
      for (let number = from; number <= Number(range[2] ?? from); number++) {
        byNumber.set(number, rate);
      }
    }
  }
  return byNumber;
}
