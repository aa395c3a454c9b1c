// Machines and what lies between them, in seconds of virtual time. Each has one communication thread, which
// handles a message at a time, in turn one that has come and one that is to go; and one network interface,
// full duplex. A message occupies its sender's interface, and the receiver's while it comes in; whoever
// comes first is served first. The switch between them holds what an interface cannot take yet.
//
// Not modelled: loss, how TCP shares an interface between connections, switches that are too slow.
import { Queue } from "./queue.ts";
import type { VirtualTime } from "./virtual_time.ts";

export interface NetworkOptions {
  /** Bytes per second of an interface, each way, all headers included. */
  readonly bandwidth: number;
  /** Seconds from one interface to another. */
  readonly latency: number;
  /** Seconds that a communication thread spends on a message, and on each of its bytes. */
  readonly perMessage: number;
  readonly perByte: number;
}

/** Share of frames of 1,514 bytes that is payload: 66 are Ethernet's, IP's and TCP's. */
const PAYLOAD = 1448 / 1514;

/** Bytes that a thread writes before the interface has taken them: what kernels were seen to hold. */
const WRITTEN_AHEAD = 4 * 2 ** 20;

interface Parcel {
  readonly to: number;
  readonly bytes: number;
  readonly arrived: () => void;
}

interface Machine {
  /** To be sent by the thread: control messages, and gradients and state. */
  readonly urgent: Queue<Parcel>;
  readonly data: Queue<Parcel>;
  /** What has come and waits for the thread. */
  readonly inbox: Queue<Parcel>;
  isBusy: boolean;
  wasReceiving: boolean;
  /** Written by the thread, and the bytes of it. */
  readonly written: Queue<Parcel>;
  backlog: number;
  isSending: boolean;
  /** When the interface has taken in all that is on its way so far. */
  receivesUntil: number;
}

export class SimulatedNetwork {
  private readonly machines: readonly Machine[];
  private readonly perByte: number;

  constructor(
    private readonly time: VirtualTime,
    machines: number,
    private readonly options: NetworkOptions,
  ) {
    this.perByte = 1 / (options.bandwidth * PAYLOAD);
    this.machines = Array.from({ length: machines }, () => ({
      ...{ urgent: new Queue<Parcel>(), data: new Queue<Parcel>(), inbox: new Queue<Parcel>() },
      ...{ isBusy: false, wasReceiving: false, written: new Queue<Parcel>() },
      ...{ backlog: 0, isSending: false, receivesUntil: 0 },
    }));
  }

  /** @param isUrgent whether it overtakes what is not and waits for the thread. */
  send(from: number, parcel: Parcel, isUrgent: boolean): void {
    const machine = this.machines[from];
    (isUrgent ? machine.urgent : machine.data).push(parcel);
    this.turn(machine);
  }

  /** Forgets gradients and state that the thread has not written. */
  dropData(from: number): void {
    this.machines[from].data.clear();
  }

  /** The thread takes up the next thing to do. */
  private turn(machine: Machine): void {
    if (machine.isBusy) return;
    const { urgent, data, inbox, wasReceiving } = machine;
    const mayWrite = urgent.length > 0 || (data.length > 0 && machine.backlog < WRITTEN_AHEAD);
    const receives = inbox.length > 0 && !(mayWrite && wasReceiving);
    if (!receives && !mayWrite) return;
    const parcel = receives ? inbox.shift() : (urgent.shift() ?? data.shift());
    if (!parcel) return;
    const { perMessage, perByte } = this.options;
    machine.isBusy = true;
    machine.wasReceiving = receives;
    this.time.after(perMessage + perByte * parcel.bytes, () => {
      machine.isBusy = false;
      if (receives) parcel.arrived();
      else this.write(machine, parcel);
      this.turn(machine);
    });
  }

  private write(machine: Machine, parcel: Parcel): void {
    machine.written.push(parcel);
    machine.backlog += parcel.bytes;
    if (!machine.isSending) this.transmit(machine);
  }

  /** The interface takes up the next parcel. */
  private transmit(machine: Machine): void {
    const parcel = machine.written.shift();
    machine.isSending = parcel !== undefined;
    if (!parcel) return;
    const { time, options, machines } = this;
    const lasts = parcel.bytes * this.perByte;
    const receiver = machines[parcel.to];
    const begins = Math.max(time.now + options.latency, receiver.receivesUntil);
    receiver.receivesUntil = begins + lasts;
    time.at(receiver.receivesUntil, () => {
      receiver.inbox.push(parcel);
      this.turn(receiver);
    });
    time.after(lasts, () => {
      machine.backlog -= parcel.bytes;
      this.transmit(machine);
      this.turn(machine);
    });
  }
}
