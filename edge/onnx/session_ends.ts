import type { OrtModule } from "./ort_module.ts";

/** A session's inputs or outputs: their names, and the two lists by which a run is told what is where. */
export class SessionEnds {
  readonly names: readonly string[];
  /** Addresses of (count) addresses of names, and of (count) handles of tensors. */
  readonly nameList: number;
  readonly handleList: number;
  private readonly places: ReadonlyMap<string, number>;
  /** Addresses of the names, which ONNX Runtime allocated. */
  private readonly addresses: readonly number[];

  /** @param first number of the first among inputs and outputs, of which inputs come first. */
  constructor(
    private readonly module: OrtModule,
    session: number,
    first: number,
    count: number,
  ) {
    this.addresses = Array.from({ length: count }, (_, i) => nameOf(module, session, first + i));
    this.names = this.addresses.map((address) => module.glue.UTF8ToString(address));
    this.places = new Map(this.names.map((name, place) => [name, place]));
    this.nameList = module.allocate(4 * count);
    this.handleList = module.allocate(4 * count);
  }

  placeOf(name: string): number | undefined {
    return this.places.get(name);
  }

  /** Writes entry `at` of both lists. @throws Error if there is no such name. */
  set(at: number, name: string, handle: number): void {
    const place = this.places.get(name);
    if (place === undefined) throw new Error(`the graph has no ${name}`);
    const { HEAPU32 } = this.module.glue;
    HEAPU32[(this.nameList >>> 2) + at] = this.addresses[place];
    HEAPU32[(this.handleList >>> 2) + at] = handle;
  }

  handleAt(at: number): number {
    return this.module.word(this.handleList + 4 * at);
  }

  release(): void {
    for (const address of this.addresses) this.module.glue._OrtFree(address);
    this.module.free(this.nameList);
    this.module.free(this.handleList);
  }
}

/** Address of a name, to be freed. */
function nameOf(module: OrtModule, session: number, index: number): number {
  return module.withStack(8, (at) => {
    const code = module.glue._OrtGetInputOutputMetadata(session, index, at, at + 4);
    module.check(code, "read a name");
    const metadata = module.word(at + 4);
    if (metadata !== 0) module.glue._OrtFree(metadata);
    return module.word(at);
  });
}
