// Elementwise kernels for the wasm module.
export { elementwise_binary_flat, elementwise_binary_rows } from "./binary.as";
export {
  elementwise_activation_gradient,
  elementwise_affine,
  elementwise_unary,
} from "./unary.as";
export { elementwise_where } from "./where.as";
