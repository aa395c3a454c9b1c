// Attention kernels for the wasm module.

export { attention_gradient } from "./backward.as";
export { attention_cached } from "./cached.as";
export { attention_forward } from "./forward.as";
export { attention_forward_products, attention_gradient_products } from "./products.as";
export { attention_source } from "./source.as";
export { attention_weights, attention_weights_gradient } from "./weights.as";
