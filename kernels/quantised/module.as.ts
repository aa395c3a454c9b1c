// What build/quantised.wasm and build/quantised_relaxed.wasm offer: all that a Transformer decodes with, on plain memory and one thread.
export { attend } from "./attention.as";
export { linear_i4 } from "./linear4.as";
export { linear_i8 } from "./linear8.as";
export { linear_f32 } from "./linear32.as";
export { embed_f32, embed_i4, embed_i8, prepare_i8, quantise_rows, quantise_rows_i16 } from "./quantise.as";
export { search_log_softmax_top_k } from "../search/simd.as";
export { add_rows, layer_norm, log_softmax } from "./rows.as";
