// Small values that every member of a view tells all others.

/** By rank, in the order of the members. */
export type SharedValues = [rank: number, value: string][];

export class Shares {
  private readonly values = new Map<string, Map<number, string>>();
  /** What was shared since the last update: a member of a later view may have missed the end of it. */
  private readonly done = new Map<string, SharedValues>();

  add(rank: number, name: string, value: string): void {
    const known = this.values.get(name) ?? new Map<number, string>();
    this.values.set(name, known.set(rank, value));
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
    this.done.set(name, values);
  }

  completed(name: string): SharedValues | undefined {
    return this.done.get(name);
  }

  /** A view is over: what was not completed in it is shared anew. */
  abort(): void {
    this.values.clear();
  }

  /** Everyone is past what was shared. */
  forget(): void {
    this.done.clear();
  }
}
