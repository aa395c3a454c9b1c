/** How many kinds of lines are told apart; of more kinds than that none is told. */
const MAX_KINDS = 32;

/** Milliseconds for which a line of a kind is not told again. */
const PAUSE = 60_000;

/** Keeps what strangers cause from filling a log: they come again and again, under any name they like. */
export class RareLines {
  private readonly last = new Map<string, number>();

  /** Whether a line is to be told. @param now milliseconds. */
  isDue(line: string, now: number): boolean {
    const kind = kindOf(line);
    const last = this.last.get(kind);
    if (last !== undefined && now - last < PAUSE) return false;
    for (const [each, at] of this.last) if (now - at >= PAUSE) this.last.delete(each);
    if (this.last.size >= MAX_KINDS) return false;
    this.last.set(kind, now);
    return true;
  }
}

/** A line without what the other side chose: names in quotes, numbers such as its port, rank or time. */
const kindOf = (line: string): string =>
  line
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\d+/g, "0")
    .slice(0, 200);
