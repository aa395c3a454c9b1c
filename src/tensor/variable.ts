// Storage that outlives a step: parameters, moments, caches.
import { bytesPerElement, type Shape, ShapeError, sizeOf, type TensorSpec } from "./shape.ts";

/**
 * A named place in device memory. A Variable may be a view of another one (a parameter inside a
 * flat buffer): `root` owns the storage, `offset` counts elements from its start.
 * Fresh storage is zero.
 */
export class Variable {
  readonly root: Variable;

  constructor(
    readonly name: string,
    readonly spec: TensorSpec,
    parent?: Variable,
    readonly offset: number = 0,
  ) {
    this.root = parent?.root ?? this;
  }

  /** Bytes from the start of the root's storage. */
  get byteOffset(): number {
    return this.offset * bytesPerElement(this.spec.dtype);
  }

  /** Whether some element belongs to both. */
  overlaps(other: Variable): boolean {
    const end = this.offset + sizeOf(this.spec.shape);
    const otherEnd = other.offset + sizeOf(other.spec.shape);
    return this.root === other.root && this.offset < otherEnd && other.offset < end;
  }

  /** A part of this variable's storage, `offset` elements from its start. */
  view(name: string, shape: Shape, offset: number): Variable {
    const size = sizeOf(shape);
    if (offset < 0 || offset + size > sizeOf(this.spec.shape)) {
      throw new ShapeError("view", [this.spec], `${name} needs ${offset}..${offset + size}`);
    }
    return new Variable(name, { shape, dtype: this.spec.dtype }, this, this.offset + offset);
  }
}
