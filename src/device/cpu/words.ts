/** 32-bit words that are appended one by one. Kept between lists, so that a list leaves no garbage. */
export class Words {
  private room = new Int32Array(2 ** 14);
  length = 0;

  push(word: number): void {
    if (this.length === this.room.length) this.grow();
    this.room[this.length++] = word;
  }

  append(words: readonly number[]): void {
    for (const word of words) this.push(word);
  }

  set(index: number, word: number): void {
    this.room[index] = word;
  }

  /** All of them, where they lie: to be read before the next one is appended. */
  get view(): Int32Array {
    return this.room.subarray(0, this.length);
  }

  private grow(): void {
    const grown = new Int32Array(2 * this.room.length);
    grown.set(this.room);
    this.room = grown;
  }
}
