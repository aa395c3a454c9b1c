// Machines on a network where connections break, messages come late, and processes die or stand still, in
// virtual time. What peers notice of it is what sockets and heartbeats would tell them.
import type { Hello, Message } from "../../../cluster/membership/messages.ts";
import { VirtualTime } from "../../../cluster/simulate/virtual_time.ts";
import type { NumpyRandom } from "../../../src/data/numpy_random.ts";
import { Connection, type End } from "./connection.ts";
import type { Process } from "./process.ts";

/** Milliseconds. */
export interface Pace {
  readonly patience: number;
  readonly tick: number;
  readonly redial: number;
  /** Of a message, in the mean. */
  readonly delay: number;
}

/** Most messages that are lost on their way when a connection breaks. */
const LOST = 6;

export class UnreliableNetwork {
  readonly time = new VirtualTime();
  /** The living process of each rank. */
  readonly processes = new Map<number, Process>();
  private readonly connections = new Set<Connection>();
  private readonly blocked = new Set<number>();

  constructor(
    readonly random: NumpyRandom,
    readonly pace: Pace,
  ) {}

  start(process: Process): void {
    const { time, pace, random } = this;
    this.processes.set(process.rank, process);
    process.lastTick = time.now;
    const tick = (): void => {
      if (!process.isAlive) return;
      if (!process.isPaused) this.tick(process);
      time.after(pace.tick * random.uniform(0.9, 1.1), tick);
    };
    time.after(random.uniform(0, pace.tick), tick);
  }

  /** Runs something in a process, unless it is dead, and once it is not paused. */
  run(process: Process, action: () => void): void {
    if (!process.isAlive) return;
    if (process.isPaused) process.inbox.push(action);
    else action();
  }

  /** @param mean milliseconds. */
  later(process: Process, mean: number, action: () => void): void {
    const delay = mean * this.random.uniform(0.5, 1.5);
    this.time.after(delay, () => this.run(process, action));
  }

  send(from: Process, rank: number, message: Message): void {
    const connection = from.connections.get(rank);
    if (!connection) return;
    const to = connection.endBeyond(from);
    this.carry(connection, to, () => {
      if (to.state === "open") to.process.peer.received(from.rank, message);
    });
  }

  // ---- faults ----

  /** Ends a process at once: what it sent last may not arrive, but others notice. */
  kill(process: Process): void {
    process.isAlive = false;
    this.processes.delete(process.rank);
    for (const connection of [...this.connections]) {
      if (!connection.ends.some((end) => end.process === process)) continue;
      if (this.random.random() < 0.5) this.lose(connection.endBeyond(process));
      this.close(connection, process);
    }
    process.connections.clear();
  }

  /** Ends a process when what it has sent is on its way. */
  retire(process: Process): void {
    process.isAlive = false;
    this.processes.delete(process.rank);
    for (const connection of process.connections.values()) this.close(connection, process);
    process.connections.clear();
  }

  pause(process: Process): void {
    process.isPaused = true;
  }

  resume(process: Process): void {
    process.isPaused = false;
    for (const action of process.inbox.splice(0)) this.run(process, action);
  }

  /** Breaks the connection of two ranks: each notices for itself. */
  break(a: number, b: number): void {
    const connection = this.processes.get(a)?.connections.get(b);
    if (!connection) return;
    for (const end of connection.ends) {
      if (this.random.random() < 0.5) this.lose(end);
      end.lostFrom = Math.min(end.lostFrom, end.sent);
      this.end(connection, end, "reset");
    }
  }

  /** Ends some of the connections to others than these ranks: those in the midst of a frame. */
  cutOff(process: Process, members: readonly number[]): void {
    for (const [rank, connection] of [...process.connections]) {
      if (members.includes(rank) || this.random.random() < 0.8) continue;
      this.drop(connection, process, "it is no member now");
    }
  }

  /** Lets nothing pass between two ranks, without a sign of it. */
  block(a: number, b: number): void {
    this.blocked.add(keyOf(a, b));
  }

  /** All that was held back arrives, unless its connection was given up. */
  unblockAll(): void {
    this.blocked.clear();
    for (const { ends } of this.connections) {
      for (const end of ends) for (const arrive of end.held.splice(0)) arrive();
    }
  }

  // ---- connections ----

  private tick(process: Process): void {
    const { time, pace } = this;
    const { now } = time;
    process.peer.membership.tick(now);
    // After a long sleep of this process it is not the others who were silent.
    const slept = now - process.lastTick > pace.patience / 2;
    process.lastTick = now;
    for (const [rank, connection] of [...process.connections]) {
      const end = connection.endOf(process);
      if (slept) end.heardAt = now;
      else if (now - end.heardAt > pace.patience) {
        this.drop(connection, process, "silent");
        continue;
      }
      this.send(process, rank, { t: "beat", ...process.peer.membership.standing() });
    }
    process.peer.remind();
    for (const rank of process.addresses) this.dialIfDue(process, rank);
  }

  private dialIfDue(from: Process, rank: number): void {
    const { now } = this.time;
    if (rank === from.rank || from.connections.has(rank)) return;
    // The higher of two ranks dials; the lower one does too if it has waited in vain.
    const since = from.dialledAt.get(rank) ?? (rank > from.rank ? now : -this.pace.redial);
    from.dialledAt.set(rank, since);
    if (now - since < this.pace.redial * (rank > from.rank ? 3 : 1)) return;
    from.dialledAt.set(rank, now);
    const hello = from.peer.greeting;
    this.time.after(this.delay(), () => {
      const to = this.processes.get(rank);
      if (!to || this.blocked.has(keyOf(from.rank, rank))) return;
      this.run(to, () => this.accept(to, from, hello));
    });
  }

  private accept(process: Process, from: Process, hello: Hello): void {
    if (!from.isAlive) return;
    const present = process.connections.get(from.rank);
    if (present && !this.yields(present, process, from, from)) return;
    const connection = new Connection(process, from);
    this.connections.add(connection);
    this.open(connection, process, from.rank);
    process.addresses.add(from.rank);
    const { greeting } = process.peer;
    this.carry(connection, connection.endOf(from), () => {
      if (connection.endOf(from).state !== "greeting") return;
      const known = from.connections.get(process.rank);
      if (known && !this.yields(known, from, process, from)) this.close(connection, from);
      else {
        this.open(connection, from, process.rank);
        from.peer.membership.linked(greeting);
        from.peer.remind();
      }
    });
    process.peer.membership.linked(hello);
    process.peer.remind();
  }

  /** Whether a connection gives way to a new one, of two the one that the higher rank dialled. */
  private yields(present: Connection, process: Process, other: Process, dialler: Process): boolean {
    const isSameProcess = present.endBeyond(process).process === other;
    if (!isSameProcess || dialler.rank < Math.max(process.rank, other.rank)) return false;
    this.drop(present, process, "it has connected anew");
    return true;
  }

  private open(connection: Connection, process: Process, rank: number): void {
    const end = connection.endOf(process);
    end.state = "open";
    end.heardAt = this.time.now;
    process.connections.set(rank, connection);
  }

  /** A process gives a connection up. */
  private drop(connection: Connection, process: Process, reason: string): void {
    this.close(connection, process);
    const { rank } = connection.endBeyond(process).process;
    if (process.connections.get(rank) !== connection) return;
    process.connections.delete(rank);
    process.peer.membership.unlinked(rank, reason);
  }

  /** One side closes: the other one hears of it after what was sent before. */
  private close(connection: Connection, process: Process): void {
    connection.endOf(process).state = "closed";
    const far = connection.endBeyond(process);
    if (far.state === "closed") this.connections.delete(connection);
    else this.end(connection, far, "closed");
  }

  private end(connection: Connection, end: End, reason: string): void {
    const drop = (): void => {
      if (end.state !== "closed") this.drop(connection, end.process, reason);
    };
    this.carry(connection, end, drop, true);
  }

  /** Brings something to one side of a connection. @param isCertain whether it cannot be lost. */
  private carry(connection: Connection, end: End, action: () => void, isCertain = false): void {
    const number = end.sent++;
    const from = connection.endBeyond(end.process).process;
    end.lastArrival = Math.max(end.lastArrival, this.time.now + this.delay());
    const arrive = (): void => {
      if (number >= end.lostFrom && !isCertain) return;
      this.run(end.process, () => {
        end.heardAt = this.time.now;
        action();
      });
    };
    this.time.at(end.lastArrival, () => {
      const isHeld = end.held.length > 0 || this.blocked.has(keyOf(from.rank, end.process.rank));
      if (isHeld) end.held.push(arrive);
      else arrive();
    });
  }

  /** Loses the last messages on their way to one side. */
  private lose(end: End): void {
    const from = end.sent - this.random.randint(0, LOST);
    end.lostFrom = Math.min(end.lostFrom, from);
  }

  private delay(): number {
    const { random, pace } = this;
    const isLate = random.random() < 0.02;
    const delay = -Math.log(1 - random.random()) * pace.delay * (isLate ? 10 : 1);
    // Later ones would be held for silence.
    return Math.min(delay, pace.patience / 4);
  }
}

const keyOf = (a: number, b: number): number => (a < b ? 64 * a + b : 64 * b + a);
