// Bun only: names exchange.wasm so that `bun build --compile` carries it inside the binary.
import path from "../../build/exchange.wasm" with { type: "file" };

export default path;
