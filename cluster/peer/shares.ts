// Values that every member of a view tells all others.
import type { MessageOf } from "../membership/messages.ts";
import { ProtocolError } from "../wire/frame.ts";
import { ArrivingText, type TextPart } from "../wire/text_parts.ts";

/** By rank, in the order of the members. */
export type SharedValues = [rank: number, value: string][];

/**
 * Values of one member that may wait for the others'. A quick one shares the next value before all have
 * come to this peer, but none after that before it has this peer's own.
 */
const MAX_WAITING = 4;

/** What another member has of all, on its way. */
interface Answer {
  /** Who tells: what a second one tells is not needed. */
  readonly from: number;
  readonly count: number;
  readonly texts: Map<number, ArrivingText>;
}

export class Shares {
  private readonly values = new Map<string, Map<number, string>>();
  /** Of each rank, by name. */
  private readonly arriving = new Map<number, Map<string, ArrivingText>>();
  private readonly answers = new Map<string, Answer>();
  /** What was shared since the last update: a member of a later view may have missed the end of it. */
  private readonly done = new Map<string, SharedValues>();

  add(rank: number, name: string, value: string): void {
    const known = this.values.get(name) ?? new Map<number, string>();
    this.values.set(name, known.set(rank, value));
  }

  /**
   * A part of a value has come. @returns the value, if it was the last one.
   * @throws ProtocolError if that member has no value to share now.
   */
  addPart(rank: number, name: string, part: TextPart): string | undefined {
    const texts = this.arriving.get(rank) ?? new Map<string, ArrivingText>();
    this.arriving.set(rank, texts);
    let text = texts.get(name);
    if (!text) {
      const waiting = [...this.values.values()].filter((known) => known.has(rank));
      if (texts.size + waiting.length >= MAX_WAITING || this.values.get(name)?.has(rank)) {
        throw new ProtocolError(`rank ${rank} shares ${name} out of turn`);
      }
      text = new ArrivingText();
      texts.set(name, text);
    }
    text.add(part);
    const { whole } = text;
    if (whole !== undefined) texts.delete(name);
    return whole;
  }

  /**
   * A part of what a member has from all, for this peer, which has missed it.
   * @param own this peer's rank. @returns the values, if it was the last part.
   */
  addAnswer(from: number, own: number, message: MessageOf<"shared">): SharedValues | undefined {
    const { name, rank, count } = message;
    if (!this.values.get(name)?.has(own)) return undefined;
    const answer = this.answers.get(name) ?? { from, count, texts: new Map() };
    this.answers.set(name, answer);
    if (answer.from !== from) return undefined;
    const text = answer.texts.get(rank) ?? new ArrivingText();
    text.add(message);
    if (count !== answer.count || answer.texts.set(rank, text).size > count) {
      throw new ProtocolError(`of ${name} more values than the ${answer.count} that there are`);
    }
    const texts = [...answer.texts].sort(([a], [b]) => a - b);
    if (texts.length < count || !texts.every(([, { isWhole }]) => isWhole)) return undefined;
    return texts.map(([each, { whole }]) => [each, whole ?? ""]);
  }

  /** The values of all members, in their order, once all are there; given out once. */
  take(name: string, members: readonly number[]): SharedValues | undefined {
    const known = this.values.get(name);
    if (!known || !members.every((rank) => known.has(rank))) return undefined;
    this.values.delete(name);
    return members.map((rank) => [rank, known.get(rank) ?? ""]);
  }

  complete(name: string, values: SharedValues): void {
    this.values.delete(name);
    this.answers.delete(name);
    this.done.set(name, values);
  }

  completed(name: string): SharedValues | undefined {
    return this.done.get(name);
  }

  /** A view is over: what was not completed in it is shared anew. */
  abort(): void {
    this.values.clear();
    this.arriving.clear();
    this.answers.clear();
  }

  /** Everyone is past what was shared. */
  forget(): void {
    this.done.clear();
  }
}
