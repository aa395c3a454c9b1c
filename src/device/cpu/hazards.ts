// Which commands have to wait for all threads: those that touch memory which another thread may still be
// at. Every command of a program says what it reads and writes; since the last barrier all of that counts,
// for any thread may be anywhere in it.

export class Hazards {
  /** Pairs of addresses, from and to, of the commands since the last barrier. */
  private readonly reads: number[] = [];
  private readonly writes: number[] = [];
  /** The same of the command that is being described. */
  private readonly nextReads: number[] = [];
  private readonly nextWrites: number[] = [];

  reading(address: number, bytes: number): void {
    if (bytes > 0) this.nextReads.push(address, address + bytes);
  }

  writing(address: number, bytes: number): void {
    if (bytes > 0) this.nextWrites.push(address, address + bytes);
  }

  /**
   * The command is described: may it begin while others are at the commands before it?
   *
   * @param isOwn whether each thread goes on with what it has just made itself.
   */
  follows(isOwn: boolean): boolean {
    const { reads, writes, nextReads, nextWrites } = this;
    const follows =
      isOwn || !(meet(nextReads, writes) || meet(nextWrites, writes) || meet(nextWrites, reads));
    if (!follows) reads.length = writes.length = 0;
    for (const address of nextReads) reads.push(address);
    for (const address of nextWrites) writes.push(address);
    nextReads.length = nextWrites.length = 0;
    return follows;
  }
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
