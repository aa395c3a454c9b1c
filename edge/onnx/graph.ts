// Builds an ONNX graph node by node.
import { type ElementType, type GraphParts, modelFile } from "./model_file.ts";

/** The result of a node, an input or a constant. */
export type Value = string & { readonly isValue: true };

/** An operand that is left out. */
export const NONE = "" as Value;

/** A size, or the name of one that differs from run to run. */
export type Dimension = number | string;

export type Attributes = Readonly<Record<string, number | string | readonly number[]>>;

/** onnxruntime's own operators. */
const CONTRIB = "com.microsoft";

export class GraphBuilder {
  private readonly nodes: GraphParts["nodes"][number][] = [];
  private readonly inputs = new Map<string, GraphParts["inputs"][number]>();
  private readonly outputs: GraphParts["outputs"][number][] = [];
  private readonly types: GraphParts["types"][number][] = [];
  private readonly constants = new Map<string, GraphParts["constants"][number]>();
  /** Names that outputs are fetched by, by the value's own. */
  private readonly shown = new Map<Value, string>();
  private made = 0;

  constructor(private readonly name: string) {}

  /** What the caller gives at each run; one that is asked for twice is the same. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    this.inputs.set(name, { name, type, shape });
    return name as Value;
  }

  output(value: Value, name: string, type: ElementType, shape: readonly Dimension[]): void {
    this.shown.set(value, name);
    this.outputs.push({ name, type, shape });
  }

  /** Says what a value is, where its operator does not imply it. */
  declare(value: Value, type: ElementType, shape: readonly Dimension[]): void {
    this.types.push({ name: value, type, shape });
  }

  /** One number. */
  scalar(value: number): Value {
    return this.constant(`scalar_${value}`, "f32", [], Float32Array.of(value));
  }

  /** Whole numbers, such as the shape for Reshape. */
  integers(values: readonly number[]): Value {
    const name = `integers_${values.join("_")}`;
    return this.constant(name, "i64", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** A node of ONNX with one result. */
  add(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.node(op, inputs, 1, attributes, "")[0];
  }

  addMany(op: string, inputs: readonly Value[], outputs: number, attributes: Attributes): Value[] {
    return this.node(op, inputs, outputs, attributes, "");
  }

  /** A node of onnxruntime's own. */
  addContrib(op: string, inputs: readonly Value[], attributes: Attributes = {}): Value {
    return this.node(op, inputs, 1, attributes, CONTRIB)[0];
  }

  addContribMany(
    op: string,
    inputs: readonly Value[],
    outputs: number,
    attributes: Attributes,
  ): Value[] {
    return this.node(op, inputs, outputs, attributes, CONTRIB);
  }

  /** The bytes of the file. Results that nobody uses are left out, so that no node computes them. */
  finish(): Uint8Array<ArrayBuffer> {
    const used = new Set([...this.nodes.flatMap(({ inputs }) => inputs), ...this.shown.keys()]);
    const shown = (name: string): string => this.shown.get(name as Value) ?? name;
    const kept = (name: string): string => (used.has(name) ? shown(name) : NONE);
    return modelFile({
      name: this.name,
      nodes: this.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(shown),
        outputs: node.outputs.map(kept),
      })),
      inputs: [...this.inputs.values()],
      outputs: this.outputs,
      types: this.types,
      constants: [...this.constants.values()],
    });
  }

  private node(
    op: string,
    inputs: readonly Value[],
    outputs: number,
    attributes: Attributes,
    domain: string,
  ): Value[] {
    const made = Array.from({ length: outputs }, () => `v${this.made++}` as Value);
    this.nodes.push({ op, domain, inputs, outputs: made, attributes });
    return made;
  }

  /** Equal constants are one. */
  private constant(
    name: string,
    type: ElementType,
    shape: readonly number[],
    data: Float32Array | BigInt64Array,
  ): Value {
    this.constants.set(name, { name, type, shape, bytes: new Uint8Array(data.buffer) });
    return name as Value;
  }
}
