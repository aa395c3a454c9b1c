// The main thread's side of a peer: asks the communication thread, and waits for what it tells.
import type { UserError } from "../../src/config/user_error.ts";
import { type HeldUpdate, rowsOf } from "../collective/update_barrier.ts";
import { ranksOf, type View } from "../membership/view.ts";
import type { SocketChoice } from "../transport/open_sockets.ts";
import type { Security } from "../transport/security.ts";
import type { Address } from "../transport/transport.ts";
import { Cancelled } from "./cancelled.ts";
import { type CommunicationThread, CommunicationWorker } from "./communication_thread.ts";
import { Deadlines } from "./deadlines.ts";
import { ExchangeTotals } from "./exchange_totals.ts";
import { failureOf } from "./failure_of.ts";
import { awaitedText, type EventOf, Mailbox } from "./mailbox.ts";
import type { Event, ExchangeRoom, NodeSettings, Request, SharedNumbers } from "./protocol.ts";
import { refuseTooLong } from "./refuse_too_long.ts";
import type { StepUnit } from "./status_report.ts";
import { ViewChanged } from "./view_changed.ts";
import type { ViewHandlers } from "./view_handlers.ts";

export interface StartOptions {
  readonly settings: NodeSettings;
  readonly numbers: SharedNumbers;
  /** Updates made so far. */
  readonly step: number;
  readonly own: Address;
  readonly addresses: readonly (readonly [rank: number, address: Address])[];
  /** Seconds to wait until all peers are there. */
  readonly startTimeout: number;
}

/** Milliseconds for which a peer that fails early calls those that do not listen yet, to tell them. */
const DECLINES_FOR = 30_000;

/** Milliseconds for which one that this peer cannot talk to may still call, and see why. */
const SHOWN_FOR = 5000;

/** Milliseconds between two signs that the main thread is alive. */
const SIGN_EVERY = 1000;

export class Cluster {
  isReproducible = false;
  /** Whether it has gone to the others. */
  hasStarted = false;
  private readonly totals = new ExchangeTotals();
  private view: View | undefined;
  private rank = 0;
  private isSettling = false;
  private isSuspended = false;
  private isCancelled = false;
  private made = 0;
  /** What has to be settled before anything else. */
  private change: EventOf<"view" | "suspended"> | undefined;
  private fetched: EventOf<"fetched"> | undefined;
  /** An update that all hold, and that this peer has yet to apply. */
  private held: HeldUpdate | undefined;
  /** False while others write the state into this peer's memory. */
  private isWhole = true;
  private assembled = 0;
  private failure: UserError | undefined;
  /** Whether the communication thread is done with the job. */
  private isOver = false;
  private counts: StepUnit = "update";
  private deadlines: Deadlines | undefined;
  /** Milliseconds that what was said last is given to leave this machine. */
  private lastWords = 100;
  /** Whether it has ever been a member. */
  private hasMet = false;
  private lastSign = 0;
  private readonly mailbox = new Mailbox();

  /** @param worker the communication thread, as `open` starts it. */
  constructor(
    private readonly worker: CommunicationThread,
    private readonly say: (line: string) => void,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Event>) => this.heard(data);
    worker.onerror = (event) =>
      this.fail(`the communication thread failed: ${event.message}`, false);
  }

  /** Starts the communication thread. @param say hears what happens to the cluster. */
  static open(say: (line: string) => void): Cluster {
    return new Cluster(new CommunicationWorker(), say);
  }

  /** Listens for peers. @throws UserError if the address cannot be had. */
  async listen(
    address: Address,
    security: Security,
    sockets: SocketChoice = "auto",
  ): Promise<Address> {
    const listening = this.next("listening", () => true);
    this.ask({ kind: "listen", address, security, sockets });
    return (await listening).address;
  }

  /** Goes to the others; `settle` then waits for them. */
  start({ settings, numbers, step, own, addresses, startTimeout }: StartOptions): void {
    this.rank = settings.rank;
    this.isReproducible = numbers.microBatches > 0;
    this.counts = settings.counts;
    this.hasStarted = true;
    this.ask({ kind: "start", settings, numbers, step, own, addresses });
    this.deadlines = new Deadlines(startTimeout, (reason) => this.tooLate(reason));
  }

  get position(): { readonly place: number; readonly count: number } {
    const ranks = this.ranks;
    return { place: ranks.indexOf(this.rank), count: ranks.length };
  }

  /** Number of the exchange under way: how many were made before. */
  get step(): number {
    return this.made;
  }

  /** Whether this peer is among those who go on, and nobody is writing its state. */
  get isSound(): boolean {
    return this.isWhole && !this.isSuspended;
  }

  get generation(): number {
    return this.view?.generation ?? 0;
  }

  get ranks(): readonly number[] {
    return ranksOf(this.view?.members ?? []);
  }

  begin(step: number, slots: readonly number[]): void {
    this.ask({ kind: "begin", generation: this.generation, step, slots });
  }

  final(step: number, slot: number, elements: number): void {
    this.ask({ kind: "final", generation: this.generation, step, slot, elements });
  }

  /** @throws ViewChanged */
  async given(step: number, slot: number, elements: number): Promise<void> {
    const { generation } = this;
    const taken = this.next(
      "taken",
      (event) => event.generation === generation && event.step === step && event.slot === slot,
    );
    this.final(step, slot, elements);
    await taken;
  }

  /** @throws ViewChanged */
  async sums(
    step: number,
    rows: readonly (readonly [number, number[]])[],
    busy: number,
  ): Promise<ReadonlyMap<number, readonly number[]>> {
    const { generation } = this;
    const update = this.next("update", (event) => event.held.step === step);
    const copied = rows.map(([number, row]): [number, number[]] => [number, row]);
    this.ask({ kind: "sums", generation, step, rows: copied, busy });
    const { held, exchange } = await update;
    this.totals.add(held, exchange, this.counts);
    this.made = step + 1;
    return rowsOf(held);
  }

  /** @throws ViewChanged @throws UserError if the value is too long. */
  async share(name: string, value: string): Promise<readonly string[]> {
    const { generation } = this;
    const remedy = "divide the work into fewer pieces, such as larger batches";
    refuseTooLong(`this peer's share of "${name}"`, value, remedy);
    const shared = this.next("shared", (event) => event.name === name);
    this.ask({ kind: "share", generation, name, value });
    return (await shared).values.map(([, text]) => text);
  }

  /** Ends `settle`, now or when it is called, unless all may go on: for a peer that is told to stop. */
  cancel(): void {
    this.isCancelled = true;
    if (this.isSettling) this.mailbox.reject(new Cancelled());
  }

  /**
   * Deals with new members until all of a view may go on.
   * @throws UserError if the job has failed: a TemporaryFailure if another attempt may go better.
   * @throws Cancelled
   */
  async settle(handlers: ViewHandlers): Promise<void> {
    this.isSettling = true;
    try {
      await this.settleAll(handlers);
    } finally {
      this.isSettling = false;
    }
  }

  private async settleAll(handlers: ViewHandlers): Promise<void> {
    for (;;) {
      if (this.isCancelled) throw new Cancelled();
      const change = await this.nextChange();
      try {
        if (change.kind === "view") return await this.settleView(change.view, handlers);
        await this.applyHeld(handlers);
        this.say(`suspended: ${change.reason}; waiting for the others`);
        if (this.isWhole) await handlers.suspended(change.reason);
      } catch (error) {
        if (!(error instanceof ViewChanged)) throw error;
      }
    }
  }

  /** Of the members and their exchange since the last call, for the log. */
  rates(): ReadonlyMap<string, number> {
    const { generation, totals } = this;
    return new Map([["members", this.ranks.length], ["generation", generation], ...totals.take()]);
  }

  /** While the state is taken over: more micro-batches make an update than `start` was told. */
  useRoom(room: ExchangeRoom): void {
    this.ask({ kind: "room", room });
  }

  /** Tells those who ask for the job's status. */
  progress(report: Readonly<Record<string, number>>): void {
    this.ask({ kind: "progress", report });
  }

  /** Says that the main thread is at work, though nothing comes of it for a while: to be called often. */
  alive(): void {
    const now = performance.now();
    if (!this.hasStarted || now - this.lastSign < SIGN_EVERY) return;
    this.lastSign = now;
    this.ask({ kind: "alive" });
  }

  /** Goes away in good order. */
  async leave(reason: string): Promise<void> {
    if (!this.isOver) {
      const left = this.mailbox.wait("left").catch(() => undefined);
      this.ask({ kind: "leave", reason });
      await left;
    }
    await this.close();
  }

  /** Stops the job on all peers. @param isMistake whether the user must mend it. */
  async stopAll(reason: string, isMistake: boolean): Promise<void> {
    if (!this.isOver) this.ask({ kind: "fail", reason, isMistake });
    await this.close();
  }

  /** Instead of `start`: tells the others that this peer does not come, and why. */
  async decline(reason: string, addresses: readonly Address[]): Promise<void> {
    const left = this.mailbox.wait("left").catch(() => undefined);
    this.ask({ kind: "decline", reason, addresses, patience: DECLINES_FOR });
    await left;
    await this.close();
  }

  private async close(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.lastWords));
    this.ask({ kind: "close" });
    this.worker.terminate();
  }

  // ---- changes ----

  /** However often the view has changed since: it counts as made. */
  private async applyHeld(handlers: ViewHandlers): Promise<void> {
    const { held } = this;
    this.held = undefined;
    if (!held) return;
    this.made = held.step + 1;
    await handlers.applyHeld(rowsOf(held));
  }

  private async settleView(view: View, handlers: ViewHandlers): Promise<void> {
    const { generation } = view;
    this.view = view;
    this.made = view.resume;
    const isFetching = view.fetching.includes(this.rank);
    if (isFetching) this.held = undefined;
    await this.applyHeld(handlers);
    this.checkCurrent(generation);
    if (isFetching) {
      this.isWhole = false;
      // From here on the others may write; nothing of this peer's own may do so any more.
      this.ask({ kind: "fetch", generation });
      const { record } =
        this.fetched?.generation === generation
          ? this.fetched
          : await this.next("fetched", (event) => event.generation === generation);
      await handlers.restore(record);
      this.isWhole = true;
    } else if (view.fetching.length > 0) {
      const text = await handlers.record();
      const remedy = "end the job, and start all peers anew from its last checkpoint";
      refuseTooLong("the state for a new peer, without its tensors,", text, remedy);
      this.checkCurrent(generation);
      this.ask({ kind: "record", generation, text });
    }
    this.checkCurrent(generation);
    this.ask({ kind: "installed", generation });
    if (this.assembled !== generation) {
      await this.next("assembled", (event) => event.generation === generation);
    }
    const ranks = this.ranks.join(", ");
    const made = `${this.counts} ${view.resume}`;
    this.say(`generation ${generation}: ranks ${ranks} go on after ${made}`);
  }

  private checkCurrent(generation: number): void {
    if (this.change || this.generation !== generation) throw new ViewChanged();
  }

  private async nextChange(): Promise<EventOf<"view" | "suspended">> {
    if (this.failure) throw this.failure;
    const { change } = this;
    this.change = undefined;
    if (change) return change;
    await Promise.race([this.mailbox.wait("view"), this.mailbox.wait("suspended")]);
    return await this.nextChange();
  }

  // ---- events ----

  private heard(event: Event): void {
    switch (event.kind) {
      case "failed":
        if (event.isUnsaid) this.lastWords = SHOWN_FOR;
        this.fail(event.reason, event.isMistake);
        return;
      case "say":
        this.say(event.line);
        return;
      case "awaiting":
        this.deadlines?.awaits(awaitedText(event));
        this.say(`waiting for ${awaitedText(event)}`);
        return;
      case "fetched":
        this.fetched = event;
        break;
      case "assembled":
        this.assembled = event.generation;
        break;
      case "view":
      case "suspended":
        this.isSuspended = event.kind === "suspended";
        this.hasMet = true;
        if (event.kind === "view") this.deadlines?.met();
        else this.deadlines?.suspended(event.reason);
        this.change = event;
        if (event.kind === "view" && event.held) this.held = event.held;
        this.fetched = undefined;
        this.mailbox.wake(event);
        this.mailbox.reject(new ViewChanged());
        return;
    }
    this.mailbox.wake(event);
  }

  /** The next event of a kind. @throws ViewChanged if the view changes first. */
  private next<K extends Event["kind"]>(
    kind: K,
    matches: (event: EventOf<K>) => boolean,
  ): Promise<EventOf<K>> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.change) return Promise.reject(new ViewChanged());
    return this.mailbox.wait(kind, matches);
  }

  private ask(request: Request): void {
    this.worker.postMessage(request);
  }

  private tooLate(reason: string): void {
    // Members, who may just be taking this peer in again, are not to end with it.
    if (this.hasMet) this.failWith(reason, false);
    else {
      this.ask({ kind: "fail", reason, isMistake: false });
      this.fail(reason, false);
    }
  }

  private fail(reason: string, isMistake: boolean): void {
    this.isOver = true;
    this.failWith(reason, isMistake);
  }

  private failWith(reason: string, isMistake: boolean): void {
    this.failure ??= failureOf(reason, isMistake);
    this.mailbox.reject(this.failure);
  }
}
