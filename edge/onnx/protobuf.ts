// Protocol Buffers' wire format, as far as ONNX files need it: varints, 32-bit floats, and things with a
// length. A library (protobufjs, which is well kept) would bring megabytes, ONNX's whole schema and code
// made from strings, which workers refuse, in place of these lines.
// Format: https://protobuf.dev/programming-guides/encoding

const VARINT = 0;
const LENGTH = 2;
const FIXED32 = 5;

/** A message being written, field by field. */
export class ProtoWriter {
  private readonly bytes: number[] = [];

  /** A whole number from 0 to 2^53. */
  integer(field: number, value: number): this {
    this.tag(field, VARINT);
    this.varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.tag(field, FIXED32);
    this.bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  text(field: number, value: string): this {
    return this.block(field, new TextEncoder().encode(value));
  }

  message(field: number, value: ProtoWriter): this {
    return this.block(field, value.bytes);
  }

  block(field: number, value: ArrayLike<number>): this {
    this.tag(field, LENGTH);
    this.varint(value.length);
    for (let i = 0; i < value.length; i++) this.bytes.push(value[i]);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.bytes);
  }

  private tag(field: number, type: number): void {
    this.varint(8 * field + type);
  }

  private varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes.push((rest % 128) + 128);
    this.bytes.push(rest);
  }
}
