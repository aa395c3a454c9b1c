// What training asks of those that train along. cluster/ is one such.

/** The criterion's sums of micro-batches, by their numbers in the global batch. */
export type Rows = ReadonlyMap<number, readonly number[]>;

/** What a run does when its peers change. */
export interface Settlement {
  /** Applies an update that all hold: somebody may have applied it already. */
  applyHeld(rows: Rows): Promise<void>;
  /** All that a newcomer needs besides numbers. */
  record(): Promise<string>;
  /** Takes over the state of others, whose numbers are in memory. */
  restore(record: string): Promise<void>;
  /** There are too few to go on: what is there should be saved. */
  suspended(reason: string): Promise<void>;
}

export interface Peers {
  /** Place of this one among those that there are. The first one writes checkpoints and logs. */
  readonly position: { readonly place: number; readonly count: number };
  /** Counts the changes of who is there. */
  readonly generation: number;
  /** Whether this one is among those who go on, and has a whole state. */
  readonly isSound: boolean;
  /** Number of the exchange under way, from 0: updates made, or rounds of them. */
  readonly step: number;
  /** Whether each micro-batch's gradients are a contribution of their own. */
  readonly isReproducible: boolean;
  /**
   * Begins update number `step`, from 0.
   * @param slots numbers of the contributions: micro-batches, or the places of those who have any.
   */
  begin(step: number, slots: readonly number[]): void;
  /** So many elements of the gradients of a contribution of this peer's are final. */
  final(step: number, slot: number, elements: number): void;
  /** All of them are; waits until their memory may be used for the next one. @throws ViewChanged */
  given(step: number, slot: number, elements: number): Promise<void>;
  /**
   * Gives the sums of this peer's micro-batches; waits until all hold the summed gradients.
   * @param busy seconds that this peer computed.
   * @returns the sums of all. @throws ViewChanged
   */
  sums(step: number, rows: readonly (readonly [number, number[]])[], busy: number): Promise<Rows>;
  /** Tells all a value. @returns everyone's, by place. @throws ViewChanged */
  share(name: string, value: string): Promise<readonly string[]>;
  /** Of the peers and their exchange since the last call, for the log. */
  rates(): ReadonlyMap<string, number>;
  /** What those who ask for the job's status are told. */
  progress(report: Readonly<Record<string, number>>): void;
  /** After a ViewChanged, and once at the beginning: waits until all may go on together. */
  settle(settlement: Settlement): Promise<void>;
}
