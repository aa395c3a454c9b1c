import { NONE, type Value } from "../graph.ts";
import { GraphLayers } from "../graph_layers.ts";

/** Elements of a row that share a scale; a bundle's 4-bit numbers have a step for so many. */
export const BLOCK = 32;

/**
 * Layers of operators that the WebGPU execution provider has. Matrices of integers stay integers on the
 * GPU, (N, blocks of K) with a scale for each block, and are multiplied with activations in float32.
 */
export class GpuLayers extends GraphLayers {
  protected override quantisedLinear(name: string, x: Value, bias: Value): Value {
    const { graph } = this;
    const { N, K, blocks, bits } = this.sizes(name);
    const numbers = graph.input(`${name}.weight`, "u8", [N, blocks, (BLOCK / 8) * bits]);
    const operands = [x, numbers, this.scales(name)];
    const product = graph.addContrib("MatMulNBits", operands, { N, K, bits, block_size: BLOCK });
    return bias === NONE ? product : graph.add("Add", [product, bias]);
  }

  protected override quantisedEmbedding(name: string, tokens: Value, factor: number): Value {
    const { graph } = this;
    const { N, K, blocks, bits } = this.sizes(name);
    const numbers = graph.input(`${name}.weight`, "u8", [N, (blocks * BLOCK * bits) / 8]);
    const rows = graph.addContrib("GatherBlockQuantized", [numbers, tokens, this.scales(name)], {
      ...{ bits, block_size: BLOCK, gather_axis: 0, quantize_axis: 1 },
    }); // (M, K), padded to whole blocks
    const operands = [rows, ...[[0], [K], [1]].map((each) => graph.integers(each))];
    const unpadded = K % BLOCK === 0 ? rows : graph.add("Slice", operands);
    return graph.add("Mul", [unpadded, graph.scalar(factor)]);
  }

  private scales(name: string): Value {
    const { N, blocks } = this.sizes(name);
    return this.graph.input(`${name}.weight_scale`, "f32", [N, blocks]);
  }

  private sizes(name: string): { N: number; K: number; blocks: number; bits: 4 | 8 } {
    const { shape, dtype } = this.tensor(`${name}.weight`);
    const [N, K] = shape;
    return { N, K, blocks: Math.ceil(K / BLOCK), bits: dtype === "i4" ? 4 : 8 };
  }
}
