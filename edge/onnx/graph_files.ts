import type { Manifest } from "../runtime/manifest.ts";
import { decoderGraph } from "./decoder_graph.ts";
import { encoderGraph } from "./encoder_graph.ts";
import type { GraphModel } from "./graph_layers.ts";

/** Names of a bundle's graphs. */
export const GRAPH_FILES: Manifest["onnx"] = { encoder: "encoder.onnx", decoder: "decoder.onnx" };

/**
 * The graphs of a model, to be run by ONNX Runtime: kilobytes, because weights are inputs. An input that
 * is named as one of the manifest's tensors is that tensor; matrices (N, K) are given as (K, N), and i4 as
 * the 8-bit integers (nibble - 8) * step.
 */
export const graphFiles = (model: GraphModel): ReadonlyMap<string, Uint8Array<ArrayBuffer>> =>
  new Map([
    [GRAPH_FILES.encoder, encoderGraph(model)],
    [GRAPH_FILES.decoder, decoderGraph(model)],
  ]);
