// Elementwise kernels for the wasm module.
export * from "./binary.as";
export * from "./unary.as";
export * from "./where.as";
