// The bytes of an ONNX file. The numbers of fields and types are those of onnx.proto, IR version 10
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
import { ProtoWriter } from "./protobuf.ts";

/** Element types by their numbers in ONNX, which onnxruntime's C interface shares. */
export const ELEMENT_TYPES = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

interface NodeParts {
  readonly op: string;
  /** Whose operator it is: "" for ONNX. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers are meant as such; the only fractions are those of `FRACTIONS`. */
  readonly attributes: Readonly<Record<string, number | string | readonly number[]>>;
}

interface TensorType {
  readonly name: string;
  readonly type: ElementType;
  /** Sizes, or names of those that differ from run to run. */
  readonly shape: readonly (number | string)[];
}

interface Constant extends TensorType {
  readonly shape: readonly number[];
  /** Little-endian. */
  readonly bytes: Uint8Array;
}

export interface GraphParts {
  readonly name: string;
  /** In an order in which they can be run. */
  readonly nodes: readonly NodeParts[];
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  /** Of values in between, where an operator does not imply them. */
  readonly types: readonly TensorType[];
  readonly constants: readonly Constant[];
}

const IR_VERSION = 10;
const OPSETS = { "": 21, "com.microsoft": 1 };

/** Attributes that are floats even where their value is whole. */
const FRACTIONS = new Set(["alpha", "epsilon"]);

/** AttributeProto.AttributeType */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

export function modelFile(parts: GraphParts): Uint8Array<ArrayBuffer> {
  const graph = new ProtoWriter();
  for (const node of parts.nodes) graph.message(1, nodeProto(node));
  graph.text(2, parts.name);
  for (const constant of parts.constants) graph.message(5, tensorProto(constant));
  for (const input of parts.inputs) graph.message(11, valueInfo(input));
  for (const output of parts.outputs) graph.message(12, valueInfo(output));
  for (const type of parts.types) graph.message(13, valueInfo(type));
  const model = new ProtoWriter().integer(1, IR_VERSION).text(2, "weft").message(7, graph);
  for (const [domain, version] of Object.entries(OPSETS)) {
    model.message(8, new ProtoWriter().text(1, domain).integer(2, version));
  }
  return model.finish();
}

function nodeProto({ op, domain, inputs, outputs, attributes }: NodeParts): ProtoWriter {
  const node = new ProtoWriter();
  for (const input of inputs) node.text(1, input);
  for (const output of outputs) node.text(2, output);
  node.text(4, op);
  for (const [name, value] of Object.entries(attributes)) {
    node.message(5, attributeProto(name, value));
  }
  return node.text(7, domain);
}

function attributeProto(name: string, value: NodeParts["attributes"][string]): ProtoWriter {
  const attribute = new ProtoWriter().text(1, name);
  if (typeof value === "string") return attribute.text(4, value).integer(20, STRING);
  if (typeof value === "number") {
    return FRACTIONS.has(name)
      ? attribute.float(2, value).integer(20, FLOAT)
      : attribute.integer(3, value).integer(20, INT);
  }
  for (const each of value) attribute.integer(8, each);
  return attribute.integer(20, INTS);
}

function tensorProto({ name, type, shape, bytes }: Constant): ProtoWriter {
  const tensor = new ProtoWriter();
  for (const size of shape) tensor.integer(1, size);
  return tensor.integer(2, ELEMENT_TYPES[type]).text(8, name).block(9, bytes);
}

function valueInfo({ name, type, shape }: TensorType): ProtoWriter {
  const sizes = new ProtoWriter();
  for (const size of shape) {
    const dimension = new ProtoWriter();
    sizes.message(
      1,
      typeof size === "number" ? dimension.integer(1, size) : dimension.text(2, size),
    );
  }
  const tensor = new ProtoWriter().integer(1, ELEMENT_TYPES[type]).message(2, sizes);
  return new ProtoWriter().text(1, name).message(2, new ProtoWriter().message(1, tensor));
}
