// The sum of one peer's contributions, who is alone for now: rounded and ordered as it would be among
// several, where each micro-batch is a contribution of its own.
import { ProtocolError } from "../wire/frame.ts";
import { elementsOf } from "./pieces.ts";
import type { Reduction, ReductionEffects } from "./reduction.ts";
import type { ReductionMemory, ReductionOptions } from "./reduction_memory.ts";

export class SoloReduction implements Reduction {
  private slots: readonly number[] = [];
  private next = 0;
  private readonly elements: number;

  constructor(
    private readonly options: ReductionOptions,
    private readonly memory: ReductionMemory,
    private readonly effects: ReductionEffects,
  ) {
    this.elements = elementsOf(options.pieces);
  }

  begin(_step: number, slots: readonly number[]): void {
    this.slots = slots;
    this.next = 0;
  }

  begun(): void {}

  finish(slot: number, elements: number): void {
    if (slot !== this.slots[this.next] || elements < this.elements) return;
    const isLast = ++this.next === this.slots.length;
    if (this.options.isByMicroBatch) this.add(this.next === 1, isLast);
    this.effects.taken(slot);
    if (isLast) this.effects.reduced();
  }

  place(): number {
    throw new ProtocolError("a frame of gradients, and there is nobody else");
  }

  arrived(): void {}

  private add(isFirst: boolean, isLast: boolean): void {
    const { pieces, codec } = this.options;
    let sum = this.memory.received;
    for (const { address, elements } of pieces) {
      // One piece's place holds it as it would be on the wire.
      codec.encode(this.memory.sum, address, 0, elements);
      if (isFirst) codec.decode(sum, this.memory.sum, elements);
      else codec.add(sum, this.memory.sum, elements);
      if (isLast) {
        codec.encode(this.memory.sum, sum, 0, elements);
        codec.decode(address, this.memory.sum, elements);
      }
      sum += 4 * elements;
    }
  }
}
