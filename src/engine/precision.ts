// What a program under --fp16 computes with. It is ambient while the program is traced, as randomness is:
// parameters and constants that are asked for in it are f16.

let float: "f32" | "f16" = "f32";

/** The dtype of weights and activations in the program being traced. */
export const currentFloat = (): "f32" | "f16" => float;

/** Traces `body` with weights and activations of this dtype. */
export function withFloat<T>(dtype: "f32" | "f16", body: () => T): T {
  const outer = float;
  float = dtype;
  try {
    return body();
  } finally {
    float = outer;
  }
}
