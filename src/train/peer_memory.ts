// The numbers that peers exchange, where their communication thread reads and writes them: on the cpu the
// device's own memory, so that nothing is copied; beside a GPU a memory of their own.
import { MAXIMUM_PAGES, PAGE_BYTES } from "../../kernels/pages.ts";
import type { Device } from "../device/device.ts";
import type { FlatParameters } from "../engine/flat_parameters.ts";
import { bytesOf } from "../tensor/shape.ts";
import type { Variable } from "../tensor/variable.ts";

/** A run of f32 in memory. */
export interface NumberBlock {
  readonly address: number;
  readonly elements: number;
}

/** Memory of the exchange itself, and for how many micro-batches of an update it suffices. */
export interface ExchangeRoom {
  readonly microBatches: number;
  readonly scratch: { readonly address: number; readonly bytes: number };
}

export interface PeerNumbers extends ExchangeRoom {
  readonly memory: WebAssembly.Memory;
  readonly gradients: readonly NumberBlock[];
  /** Parameters first, then everything else that training changes. */
  readonly state: readonly NumberBlock[];
  readonly parameterBlocks: number;
}

export interface PeerMemoryOptions {
  readonly device: Device;
  /** Whose gradients are exchanged. */
  readonly gradients: FlatParameters;
  /** What is equal on all peers, to the bit: the parameters. */
  readonly common: readonly Variable[];
  /** What else a newcomer needs: moments, averages. */
  readonly others: readonly Variable[];
  /** Micro-batches of an update, if each is a contribution of its own; else 0. */
  readonly microBatches: number;
  /** Bytes that the exchange wants for itself, given the gradients' blocks. */
  readonly scratchBytes: (gradients: readonly NumberBlock[], microBatches: number) => number;
}

/** Where a variable's copy lies. */
interface Copy {
  readonly variable: Variable;
  readonly block: NumberBlock;
}

export class PeerMemory {
  private known: PeerNumbers;
  private readonly gradients: readonly Copy[];
  private readonly state: readonly Copy[];
  private readonly staging = new Staging();

  constructor(private readonly options: PeerMemoryOptions) {
    const { device, common, others } = options;
    const gradients = options.gradients.segments.map((segment) => segment.gradients);
    const { shared } = device;
    const { staging } = this;
    const place = (variable: Variable): Copy => {
      const bytes = bytesOf(variable.spec);
      const address = shared ? shared.addressOf(variable) : staging.allocate(bytes);
      return { variable, block: { address, elements: bytes / 4 } };
    };
    this.gradients = gradients.map(place);
    this.state = [...common, ...others].map(place);
    this.known = {
      memory: shared?.memory ?? staging.open(),
      gradients: this.gradients.map(({ block }) => block),
      state: this.state.map(({ block }) => block),
      parameterBlocks: common.length,
      ...{ microBatches: 0, scratch: { address: 0, bytes: 0 } },
    };
    this.setAside(options.microBatches);
  }

  get numbers(): PeerNumbers {
    return this.known;
  }

  /**
   * Makes room for so many micro-batches of an update.
   *
   * @returns undefined if there is enough; else where it is now. What lay in the old room is lost.
   */
  makeRoom(microBatches: number): ExchangeRoom | undefined {
    return microBatches > this.known.microBatches ? this.setAside(microBatches) : undefined;
  }

  private setAside(microBatches: number): ExchangeRoom {
    const { known, staging } = this;
    const { shared } = this.options.device;
    const bytes = this.options.scratchBytes(known.gradients, microBatches);
    const before = known.scratch;
    // Given back first: the new room may begin at the same place.
    if (before.bytes > 0) (shared ?? staging).release(before.address);
    const address = (shared ?? staging).allocate(bytes);
    new Uint8Array(known.memory.buffer, address, bytes).fill(0);
    const room = { microBatches, scratch: { address, bytes } };
    this.known = { ...known, ...room };
    return room;
  }

  /** This peer's gradients are to be sent. */
  async gradientsOut(): Promise<void> {
    await this.out(this.gradients);
  }

  /** The summed gradients are to be used. */
  gradientsIn(): void {
    this.in(this.gradients);
  }

  /** Newcomers are to get the state. */
  async stateOut(): Promise<void> {
    await this.out(this.state);
  }

  /** Others have written the state. */
  stateIn(): void {
    this.in(this.state);
  }

  private async out(copies: readonly Copy[]): Promise<void> {
    if (this.options.device.shared) return;
    for (const { variable, block } of copies) {
      this.view(block).set(await this.options.device.read(variable));
    }
  }

  private in(copies: readonly Copy[]): void {
    if (this.options.device.shared) return;
    for (const { variable, block } of copies) {
      this.options.device.write(variable, this.view(block).slice());
    }
  }

  private view({ address, elements }: NumberBlock): Float32Array {
    return new Float32Array(this.numbers.memory.buffer, address, elements);
  }
}

/** Memory that is laid out first and made then; it grows if more is laid out. */
class Staging {
  private end = PAGE_BYTES; // address 0 means "no such operand" to kernels
  private memory: WebAssembly.Memory | undefined;

  allocate(bytes: number): number {
    const address = this.end;
    this.end += Math.ceil(bytes / 64) * 64;
    const missing = this.memory ? this.pages - this.memory.buffer.byteLength / PAGE_BYTES : 0;
    if (missing > 0) this.memory?.grow(missing);
    return address;
  }

  /** Of what was allocated last. */
  release(address: number): void {
    this.end = address;
  }

  open(): WebAssembly.Memory {
    this.memory = new WebAssembly.Memory({
      ...{ initial: this.pages, maximum: MAXIMUM_PAGES, shared: true },
    });
    return this.memory;
  }

  private get pages(): number {
    return Math.ceil(this.end / PAGE_BYTES);
  }
}
