// A clock that stands still between events and jumps to the next one: a binary heap, by time and then by
// the order in which events were asked for, so that a run is the same every time.

interface Event {
  readonly time: number;
  readonly order: number;
  readonly action: () => void;
}

const isBefore = (a: Event, b: Event): boolean =>
  a.time < b.time || (a.time === b.time && a.order < b.order);

export class VirtualTime {
  private readonly heap: Event[] = [];
  private asked = 0;
  private current = 0;

  /** The time of the event under way, in the unit that its callers choose. */
  get now(): number {
    return this.current;
  }

  /** When the next event is; infinite if there is none. */
  get next(): number {
    return this.heap[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  after(delay: number, action: () => void): void {
    this.at(this.current + delay, action);
  }

  /** Runs an action at a time, or next if that has passed. */
  at(time: number, action: () => void): void {
    const { heap } = this;
    const event = { time: Math.max(time, this.current), order: this.asked++, action };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  /** Runs the next event. @returns false if there is none. */
  step(): boolean {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined) return false;
    if (heap.length > 0) this.sink(last);
    this.current = first.time;
    first.action();
    return true;
  }

  /** Puts an event in the first one's place, and where it belongs below that. */
  private sink(event: Event): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], event)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = event;
  }
}
