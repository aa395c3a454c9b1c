import { ELEMENT_TYPES, type ElementType } from "./model_file.ts";
import type { OrtModule } from "./ort_module.ts";

const BYTES: Readonly<Record<ElementType, number>> = { f32: 4, u8: 1, i8: 1, i32: 4, i64: 8 };

/** onnxruntime-web's number for "in the wasm's memory". */
const CPU = 1;

/** A type and a shape over numbers that lie in the module's memory: ONNX Runtime copies nothing. */
export class OrtTensor {
  private constructor(
    private readonly module: OrtModule,
    /** ONNX Runtime's. */
    readonly handle: number,
    /** Where the numbers lie. */
    readonly address: number,
    readonly shape: readonly number[],
    private readonly isOwner: boolean,
  ) {}

  /** Over memory that is somebody else's. */
  static over(
    module: OrtModule,
    type: ElementType,
    shape: readonly number[],
    address: number,
  ): OrtTensor {
    return new OrtTensor(module, create(module, type, shape, address), address, shape, false);
  }

  /** Over new memory, not cleared, which is freed with the tensor. */
  static make(module: OrtModule, type: ElementType, shape: readonly number[]): OrtTensor {
    const address = module.allocate(sizeOf(shape) * BYTES[type]);
    return new OrtTensor(module, create(module, type, shape, address), address, shape, true);
  }

  /** A result that ONNX Runtime allocated; `release` gives it back. */
  static result(module: OrtModule, handle: number): OrtTensor {
    const [address, shape] = module.withStack(16, (at) => {
      const { glue } = module;
      module.check(glue._OrtGetTensorData(handle, at, at + 4, at + 8, at + 12), "read a result");
      const sizes = module.word(at + 8);
      const rank = module.word(at + 12);
      const shape = Array.from({ length: rank }, (_, axis) => module.word(sizes + 4 * axis));
      glue._OrtFree(sizes);
      return [module.word(at + 4), shape];
    });
    return new OrtTensor(module, handle, address, shape, false);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** A view: it holds until the memory next grows. */
  get floats(): Float32Array<SharedArrayBuffer> {
    return this.module.floatsAt(this.address, this.size);
  }

  get integers(): Int32Array<SharedArrayBuffer> {
    return this.module.integersAt(this.address, this.size);
  }

  /** Two halves of each 64-bit integer, the low one first. */
  get words(): Int32Array<SharedArrayBuffer> {
    return this.module.integersAt(this.address, 2 * this.size);
  }

  release(): void {
    this.module.glue._OrtReleaseTensor(this.handle);
    if (this.isOwner) this.module.free(this.address);
  }
}

function create(
  module: OrtModule,
  type: ElementType,
  shape: readonly number[],
  address: number,
): number {
  const rank = shape.length;
  return module.withStack(4 * rank + 4, (sizes) => {
    module.integersAt(sizes, rank).set(shape);
    const bytes = sizeOf(shape) * BYTES[type];
    const kind = ELEMENT_TYPES[type];
    const made = module.glue._OrtCreateTensor(kind, address, bytes, sizes, rank, CPU);
    return module.handle(made, "make a tensor");
  });
}

const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);
