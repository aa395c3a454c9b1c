// Which commands have to wait for all threads: those that touch memory which another thread may still be
// at. Every command of a program says what it reads and writes; since the last barrier all of that counts,
// for any thread may be anywhere in it. What the device cannot see, kernels may not do: write an input,
// or reach beyond their operands, what dispatches share, and their own scratch.

/** Pairs of addresses, from and to. */
interface Ranges {
  readonly reads: number[];
  readonly writes: number[];
}

const none = (): Ranges => ({ reads: [], writes: [] });

export class Hazards {
  /** Of the commands since the last barrier, without the chain. */
  private readonly before = none();
  /** Of the last command and of those that go on with it: a thread's share of one meets no other's. */
  private readonly chain = none();
  /** Of the command that is being described. */
  private readonly next = none();

  reading(address: number, bytes: number): void {
    if (bytes > 0) this.next.reads.push(address, address + bytes);
  }

  writing(address: number, bytes: number): void {
    if (bytes > 0) this.next.writes.push(address, address + bytes);
  }

  /**
   * The command is described: may it begin while others are at the commands before it?
   *
   * @param goesOn whether it minds nothing that other threads do in the command before it, and in those
   * that this one goes on with in turn.
   */
  follows(goesOn: boolean): boolean {
    const { before, chain, next } = this;
    if (!goesOn) move(chain, before);
    const follows = !(
      meet(next.reads, before.writes) ||
      meet(next.writes, before.writes) ||
      meet(next.writes, before.reads)
    );
    if (!follows) for (const { reads, writes } of [before, chain]) reads.length = writes.length = 0;
    move(next, chain);
    return follows;
  }
}

function move(from: Ranges, to: Ranges): void {
  for (const address of from.reads) to.reads.push(address);
  for (const address of from.writes) to.writes.push(address);
  from.reads.length = from.writes.length = 0;
}

/** Whether any of the one ranges overlaps any of the others. */
function meet(some: readonly number[], others: readonly number[]): boolean {
  for (let i = 0; i < some.length; i += 2) {
    for (let j = 0; j < others.length; j += 2) {
      if (some[i] < others[j + 1] && others[j] < some[i + 1]) return true;
    }
  }
  return false;
}
