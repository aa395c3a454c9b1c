// How a record is written down, in a file or under a key: JSON, with the mark of the call that wrote it.
import { z } from "zod";
import { UserError } from "../../src/config/user_error.ts";
import { type FenceRecord, MAX_RECORD } from "./fence.ts";

const schema = z.strictObject({
  /** Drawn anew for every swap: whose record stands is then certain, also after a lost answer. */
  writer: z.string(),
  generation: z.int().min(1),
  view: z.json(),
});

export interface StoredRecord {
  readonly writer: string;
  readonly record: FenceRecord;
}

export function storedText(record: FenceRecord, writer: string): string {
  const { generation, view } = record;
  const text = JSON.stringify({ writer, generation, view });
  if (text.length <= MAX_RECORD) return text;
  throw new RangeError(`a record of ${text.length} characters; at most ${MAX_RECORD} are stored`);
}

/** @throws UserError naming the place if something else stands there. */
export function parseStored(text: string, place: string): StoredRecord {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // Falls through: undefined is no record.
  }
  const { success, data } = schema.safeParse(json);
  if (success)
    return { writer: data.writer, record: { generation: data.generation, view: data.view } };
  throw new UserError({
    place,
    problem: `${JSON.stringify(text.slice(0, 60))} is not a record of a fence`,
    remedy: "let --fence name a place that nothing else writes to",
  });
}

/** @throws RangeError if `next` does not follow: a mistake of the caller. */
export function requireLater(expectedGeneration: number, next: FenceRecord): void {
  if (next.generation > expectedGeneration) return;
  throw new RangeError(`generation ${next.generation} cannot follow ${expectedGeneration}`);
}
