// Rounds of updates that every peer makes by itself: who computes what in a round, and its end.
import type { CheckpointRecord } from "./checkpoint_record.ts";
import type { Company } from "./company.ts";
import type { LocalSgd } from "./local_sgd.ts";
import type { PeerMemory } from "./peer_memory.ts";
import type { Peers } from "./peers.ts";

export interface RoundsParts {
  readonly sgd: LocalSgd;
  readonly peers: Peers;
  readonly memory: PeerMemory;
  readonly company: Company;
  readonly say: (line: string) => void;
}

export class Rounds {
  /** Whose batches this peer takes: fixed when the round begins. None for who came during it. */
  private share: Peers["position"] | undefined;
  /** Updates when it began. */
  private began = 0;
  /** Tokens of this peer's updates since, and the seconds that they took. */
  private tokens = 0;
  private seconds = 0;
  /** The run as it was when it began, once that is over. */
  private record: CheckpointRecord | undefined;

  constructor(private readonly parts: RoundsParts) {}

  /** A round begins, with the peers that there are now. */
  begin(updates: number): void {
    this.share = this.parts.peers.position;
    this.began = updates;
    this.tokens = 0;
    this.seconds = 0;
    this.record = undefined;
    this.parts.sgd.begin();
  }

  /**
   * This peer has taken over the others' state, perhaps in the middle of a round: it waits for its end.
   * @param record the run as it was when the round began, if it is under way.
   */
  takeOver(updates: number, record: CheckpointRecord | undefined): void {
    this.share = undefined;
    this.began = updates;
    this.record = record;
    this.parts.sgd.takeOver();
  }

  /** An update is about to be made: of a round's first one, what was before is remembered. */
  goesOn(updates: number, recordOf: () => CheckpointRecord): void {
    if (updates === this.began && this.share) this.record = structuredClone(recordOf());
  }

  /** This peer has made an update of its own. */
  made(tokens: number, seconds: number): void {
    this.tokens += tokens;
    this.seconds += seconds;
  }

  /**
   * In the middle of a round, the run as it was when that began: its updates are this peer's own, and of no
   * use without the others'.
   */
  underWay(updates: number): CheckpointRecord | undefined {
    return this.record?.num_updates === updates ? undefined : this.record;
  }

  /** Those of an update's micro-batches that are this peer's. */
  shareOf(present: readonly number[]): number[] {
    const { share } = this;
    return share ? present.filter((number) => number % share.count === share.place) : [];
  }

  /**
   * Ends the round if it is long enough.
   * @param must end it now: all are to have the same parameters.
   */
  async endIfDue(updates: number, must: boolean): Promise<void> {
    const { sgd, company } = this.parts;
    const { every } = sgd.options;
    if (updates === this.began && this.share) return;
    if (!must && updates % every !== 0) return;
    await company.together(
      () => this.meet(updates),
      async (rows) => this.move(rows.size),
    );
    this.begin(updates);
  }

  private async meet(updates: number): Promise<void> {
    const { peers, sgd, memory } = this.parts;
    const { elements } = sgd.options.parameters;
    const own = this.share ? "1" : "0";
    // Places are those of this view: the answers of an earlier one would name others.
    const answers = await peers.share(`round to ${updates}, view ${peers.generation}`, own);
    const { place } = peers.position;
    const slots = answers.flatMap((answer, number) => (answer === "1" ? [number] : []));
    // Of those who made the round nobody is left: all stand where it began.
    if (slots.length === 0) return;
    const { step } = peers;
    peers.begin(step, slots);
    if (this.share) {
      sgd.distance();
      await memory.gradientsOut();
      peers.final(step, place, elements);
    }
    const row: [number, number[]] = [place, [this.tokens, this.seconds]];
    const rows = await peers.sums(step, this.share ? [row] : [], 0);
    this.move(rows.size);
  }

  private move(peers: number): void {
    this.parts.memory.gradientsIn();
    this.parts.sgd.step(peers);
  }
}
