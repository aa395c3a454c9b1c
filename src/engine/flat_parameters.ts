// All parameters of a model in a few flat buffers, so that the optimizer is one dispatch per buffer,
// the gradient norm one reduction, and a slice for other machines is a range of bytes.
import { bytesOf, type DType, f32, type Shape, sizeOf } from "../tensor/shape.ts";
import { Variable } from "../tensor/variable.ts";

/** Parameters start at multiples of this: where every adapter lets a binding begin. */
const ALIGNMENT_BYTES = 256;

/** Largest buffer: 128 MiB, what every adapter binds. */
const SEGMENT_ELEMENTS = 2 ** 25;

/**
 * What parameters are stored as. f32: they and their gradients. mixed: the values that the optimizer
 * moves, beside an f16 copy that the model computes with; gradients are f16. f16: all of them.
 */
export type Precision = "f32" | "mixed" | "f16";

export interface ParameterEntry {
  readonly name: string;
  readonly shape: Shape;
  /** Parameters of one group take part in an update together; those of group 0, the default, always. */
  readonly group?: number;
}

/** One parameter inside its segment. */
export interface ParameterSlot {
  readonly name: string;
  readonly segment: number;
  /** Elements from the start of the segment. */
  readonly offset: number;
  readonly value: Variable;
  /** What the model computes with: the value itself but where precision is mixed. */
  readonly working: Variable;
  readonly gradient: Variable;
}

export interface Segment {
  readonly size: number;
  readonly values: Variable;
  readonly working: Variable;
  readonly gradients: Variable;
}

/** Neighbours of one group inside a segment: what an optimizer updates in one dispatch. */
export interface ParameterRange {
  readonly group: number;
  readonly values: Variable;
  readonly working: Variable;
  readonly gradients: Variable;
}

/** Elements [offset, offset + size) of a segment. */
interface Extent {
  readonly group: number;
  readonly segment: number;
  readonly offset: number;
  size: number;
}

/** Variables laid out like the parameters: a moment, an average. */
export interface ParameterState {
  readonly segments: readonly Variable[];
  /** In the order of FlatParameters.ranges. */
  readonly ranges: readonly Variable[];
  /** By the names of the parameters. */
  readonly slots: ReadonlyMap<string, Variable>;
}

export class FlatParameters {
  readonly segments: readonly Segment[];
  /** All parameters, by group. */
  readonly ranges: readonly ParameterRange[];
  readonly slots: ReadonlyMap<string, ParameterSlot>;
  private readonly extents: readonly Extent[];

  /** @param entries in order of the forward pass; they are laid out in the order gradients appear. */
  constructor(
    entries: readonly ParameterEntry[],
    readonly precision: Precision = "f32",
  ) {
    const alignment = ALIGNMENT_BYTES / (precision === "f32" ? 4 : 2);
    const places: { entry: ParameterEntry; segment: number; offset: number }[] = [];
    const sizes: number[] = [0];
    const extents: Extent[] = [];
    for (const entry of [...entries].reverse()) {
      const size = Math.ceil(sizeOf(entry.shape) / alignment) * alignment;
      const full = sizes[sizes.length - 1];
      if (full > 0 && full + size > SEGMENT_ELEMENTS) sizes.push(0);
      const segment = sizes.length - 1;
      const offset = sizes[segment];
      places.push({ entry, segment, offset });
      sizes[segment] += size;
      const { group = 0 } = entry;
      const last = extents.at(-1);
      if (last?.segment === segment && last.group === group) last.size += size;
      else extents.push({ group, segment, offset, size });
    }
    const stored: DType = precision === "f16" ? "f16" : "f32";
    const computed: DType = precision === "f32" ? "f32" : "f16";
    this.segments = sizes.map((size, number) => {
      const flat = (name: string, dtype: DType) =>
        new Variable(`${name}.${number}`, { shape: [size], dtype });
      const values = flat("parameters", stored);
      const working = precision === "mixed" ? flat("halves", computed) : values;
      return { size, values, working, gradients: flat("gradients", computed) };
    });
    this.extents = extents;
    this.ranges = extents.map(({ group, segment, offset, size }, number) => {
      const { values, working, gradients } = this.segments[segment];
      const own = values.view(`parameters, range ${number}`, [size], offset);
      return {
        group,
        values: own,
        working: working === values ? own : working.view(`halves, range ${number}`, [size], offset),
        gradients: gradients.view(`gradients, range ${number}`, [size], offset),
      };
    });
    this.slots = new Map(
      places.map(({ entry: { name, shape }, segment, offset }) => {
        const { values, working: halves, gradients } = this.segments[segment];
        const value = values.view(name, shape, offset);
        const working = halves === values ? value : halves.view(`half of ${name}`, shape, offset);
        const gradient = gradients.view(`gradient of ${name}`, shape, offset);
        return [name, { name, segment, offset, value, working, gradient }];
      }),
    );
  }

  /** Elements of all parameters, without what lies between them. */
  get size(): number {
    let size = 0;
    for (const { value } of this.slots.values()) size += sizeOf(value.spec.shape);
    return size;
  }

  /** Elements of all segments. */
  get elements(): number {
    return this.segments.reduce((sum, { size }) => sum + size, 0);
  }

  /** Bytes of all values and gradients. */
  get bytes(): number {
    const all = this.segments.flatMap(({ values, working, gradients }) => [
      ...new Set([values, working, gradients]),
    ]);
    return all.reduce((sum, { spec }) => sum + bytesOf(spec), 0);
  }

  slot(name: string): ParameterSlot {
    const slot = this.slots.get(name);
    if (!slot) throw new Error(`FlatParameters: there is no ${name}`);
    return slot;
  }

  /** Fresh variables laid out like the parameters. */
  like(name: string): ParameterState {
    const segments = this.segments.map(
      ({ size }, number) => new Variable(`${name}.${number}`, f32(size)),
    );
    const ranges = this.extents.map(({ segment, offset, size }, number) =>
      segments[segment].view(`${name}, range ${number}`, [size], offset),
    );
    const slots = [...this.slots.values()].map(
      (slot) =>
        [
          slot.name,
          segments[slot.segment].view(`${name}.${slot.name}`, slot.value.spec.shape, slot.offset),
        ] as const,
    );
    return { segments, ranges, slots: new Map(slots) };
  }
}
