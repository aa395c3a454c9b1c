// Threads that run one program together. All state lies in a few shared words, so that a thread
// asleep in Atomics.wait can be woken and one that spins sees progress at once.
// Waking a sleeper costs tens of microseconds and a spin costs a core: spin a little, then sleep.

const SPINS = 4000;

/** Word numbers in the control block. */
export const CONTROL = {
  /** Counts programs started; workers wait for it to change. */
  generation: 0,
  arrived: 1,
  /** Counts barriers passed. */
  released: 2,
  sleepers: 3,
  /** Address and number of words of the program to run. */
  address: 4,
  words: 5,
  /** Set when workers must leave. */
  shutdown: 6,
  /** 1 + number of a thread whose kernel threw. */
  failed: 7,
  /** Version of the program's memory: commands decoded from the same address are stale if it changed. */
  version: 8,
  /** Length of what that thread says, in the room behind this block. */
  messageBytes: 9,
} as const;

export const CONTROL_BYTES = 64;

/** Blocks until the word at `index` differs from `value`. */
export function waitWhile(control: Int32Array, index: number, value: number): void {
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(control, index) !== value) return;
  }
  Atomics.add(control, CONTROL.sleepers, 1);
  while (Atomics.load(control, index) === value) Atomics.wait(control, index, value);
  Atomics.sub(control, CONTROL.sleepers, 1);
}

/** Changes a word that others may wait for. */
export function advance(control: Int32Array, index: number): void {
  Atomics.add(control, index, 1);
  if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, index);
}

/** Returns when all `threads` have called it. */
export function barrier(control: Int32Array, threads: number): void {
  if (threads === 1) return;
  const before = Atomics.load(control, CONTROL.released);
  if (Atomics.add(control, CONTROL.arrived, 1) === threads - 1) {
    Atomics.store(control, CONTROL.arrived, 0);
    advance(control, CONTROL.released);
  } else waitWhile(control, CONTROL.released, before);
}
