// Bun only: names the modules so that `bun build --compile` carries them inside the binary.
import plain from "../../build/quantised.wasm" with { type: "file" };
import relaxed from "../../build/quantised_relaxed.wasm" with { type: "file" };

export default { "quantised.wasm": plain, "quantised_relaxed.wasm": relaxed };
