// A run and those who train along, if any: what is done together, divided or agreed on, and done again
// when peers have come or gone. Alone, everything is simply done.
import { ViewChanged } from "../../cluster/peer/view_changed.ts";
import { fromExactJson, toExactJson } from "./exact_json.ts";
import type { Peers, Rows, Settlement } from "./peers.ts";

/** The state is another's now: the run goes on from there. */
export class StateReplaced extends Error {
  constructor(readonly epoch: number) {
    super("the state was taken over from other peers");
    this.name = "StateReplaced";
  }
}

/** What a run must be able to do for those who come, and when it is left alone. */
export interface Hospitality {
  /** All that a newcomer needs besides numbers; those are in memory. */
  record(): Promise<string>;
  /** Takes a state over. @returns its epoch. */
  restore(record: string): Promise<number>;
  /** There are too few to go on. */
  suspended(reason: string): Promise<void>;
}

export class Company {
  private hospitality: Hospitality | undefined;

  constructor(private readonly peers: Peers | undefined) {}

  /** Whether this process writes checkpoints and logs. */
  get leads(): boolean {
    return (this.peers?.position.place ?? 0) === 0;
  }

  get hasPeers(): boolean {
    return this.peers !== undefined;
  }

  /** Whether what this process has is what all have: alone always. */
  get isSound(): boolean {
    return this.peers?.isSound ?? true;
  }

  /** Does what only the first peer does; the others wait until it is done, or do it if that one dies. */
  async ledBy(name: string, lead: () => Promise<void>): Promise<void> {
    const { peers } = this;
    if (!peers) return await lead();
    await this.together(async () => {
      if (this.leads) await lead();
      await peers.share(name, "");
    }, this.nothingHeld);
  }

  /** Of the peers since the last call, for the log: nothing where there are none. */
  rates(): ReadonlyMap<string, number> {
    return this.peers?.rates() ?? new Map();
  }

  /** What those who ask for the job's status are told. */
  report(progress: Readonly<Record<string, number>>): void {
    this.peers?.progress(progress);
  }

  /** Meets the others. @returns the epoch to go on with, if their state was taken over. */
  async meet(hospitality: Hospitality): Promise<number | undefined> {
    this.hospitality = hospitality;
    if (!this.peers) return undefined;
    return await this.settle(this.peers, async () => {
      throw new Error("Company: an update is held before the first one");
    });
  }

  /**
   * Does something with the peers, and again if they change meanwhile.
   *
   * @param held ends it instead, if all turn out to hold the update: with everyone's sums.
   * @throws StateReplaced if others had gone on without this one.
   */
  async together<T>(attempt: () => Promise<T>, held: (rows: Rows) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof ViewChanged) || !this.peers) throw error;
      }
      const results: T[] = [];
      const epoch = await this.settle(this.peers, async (rows) => {
        results.push(await held(rows));
      });
      if (epoch !== undefined) throw new StateReplaced(epoch);
      if (results.length > 0) return results[0];
    }
  }

  /** A value that the first peer computes for all. @param compute gives plain JSON. */
  async agreed<T>(name: string, compute: () => T | Promise<T>): Promise<T> {
    const { peers } = this;
    if (!peers) return await compute();
    return await this.together(async () => {
      const own = this.leads ? toExactJson(await compute()) : "";
      const [first] = await peers.share(name, own);
      return fromExactJson(first) as T;
    }, this.nothingHeld);
  }

  /**
   * `count` pieces of work, each done by one peer.
   *
   * @param work gives a piece's numbers. @returns those of all pieces, in order.
   */
  async divided(
    name: string,
    count: number,
    work: (piece: number) => Promise<readonly number[]>,
  ): Promise<(readonly number[])[]> {
    const { peers } = this;
    const doShare = async (place: number, places: number): Promise<(readonly number[])[]> => {
      const done: (readonly number[])[] = [];
      for (let piece = place; piece < count; piece += places) done.push(await work(piece));
      return done;
    };
    if (!peers) return await doShare(0, 1);
    return await this.together(async () => {
      const { place, count: places } = peers.position;
      const shares = await peers.share(name, toExactJson(await doShare(place, places)));
      const decoded = shares.map((share) => fromExactJson(share) as (readonly number[])[]);
      // Whoever asks late may be told the shares of other members than there are now.
      return Array.from({ length: count }, (_, piece) => {
        const row = decoded[piece % decoded.length][Math.floor(piece / decoded.length)];
        return row;
      });
    }, this.nothingHeld);
  }

  private readonly nothingHeld = async (): Promise<never> => {
    throw new Error("Company: an update is held while none is under way");
  };

  private async settle(
    peers: Peers,
    applyHeld: Settlement["applyHeld"],
  ): Promise<number | undefined> {
    const { hospitality } = this;
    if (!hospitality) throw new Error("Company: the others were never met");
    let epoch: number | undefined;
    await peers.settle({
      applyHeld,
      record: () => hospitality.record(),
      suspended: (reason) => hospitality.suspended(reason),
      async restore(record) {
        epoch = await hospitality.restore(record);
      },
    });
    return epoch;
  }
}
