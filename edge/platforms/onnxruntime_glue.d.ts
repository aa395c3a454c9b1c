// onnxruntime-web has no types for the file that emscripten wrote.
declare module "onnxruntime-web/ort-wasm-simd-threaded.mjs" {
  const glue: import("../onnx/ort_module.ts").Glue;
  export default glue;
}
