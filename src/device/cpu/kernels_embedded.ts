// Bun only: names kernels.wasm so that `bun build --compile` carries it inside the binary.
import path from "../../../build/kernels.wasm" with { type: "file" };

export default path;
