// The encoder for the WebGPU execution provider: as encoder.onnx, but every layer's keys and values are
// results of their own, so that each can stay on the GPU as the decoder wants it.
//
// inputs   tokens (S) i32; positions (S, C) f32 unless the model has none; weights
// outputs  cross_key_n, cross_value_n (1, H, S, D) f32
import { encoderTrunk } from "../encoder_graph.ts";
import { GraphBuilder } from "../graph.ts";
import type { GraphModel } from "../graph_layers.ts";
import { GpuLayers } from "./gpu_layers.ts";

export function gpuEncoderGraph(model: GraphModel): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("encoder");
  const layers = new GpuLayers(graph, model);
  const { layers: L, attention_heads: H, embed_dim: C } = model.architecture.decoder;
  const projected = layers.reshape(encoderTrunk(layers, model), [1, -1, 2 * L * C]);
  const parts = graph.addMany("Split", [projected], 2 * L, { axis: 2, num_outputs: 2 * L });
  for (const [i, part] of parts.entries()) {
    const heads = layers.reshape(part, [1, -1, H, C / H]);
    const turned = graph.add("Transpose", [heads], { perm: [0, 2, 1, 3] });
    const name = `cross_${i % 2 === 0 ? "key" : "value"}_${i >> 1}`;
    graph.output(turned, name, "f32", [1, H, "S", C / H]);
  }
  return graph.finish();
}
