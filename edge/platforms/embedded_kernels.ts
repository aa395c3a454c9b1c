// Bun only: names quantised.wasm so that `bun build --compile` carries it inside the binary.
import path from "../../build/quantised.wasm" with { type: "file" };

export default path;
