// The names of activation functions, apart from what computes them: the configuration reads them too.

/** The functions behind the names. */
export const ACTIVATIONS = [
  "relu",
  "gelu",
  "gelu_accurate",
  "tanh",
  "sigmoid",
  "swish",
  "relu_squared",
] as const;
export type ActivationFunction = (typeof ACTIVATIONS)[number];

/** What `--activation-fn` may say: fairseq's names. `gelu_fast` is another one of `gelu_accurate`. */
export const ACTIVATION_CHOICES = [
  "relu",
  "gelu",
  "gelu_fast",
  "gelu_accurate",
  "tanh",
  "linear",
  "relu_squared",
  "swish",
] as const satisfies readonly (ActivationFunction | "gelu_fast" | "linear")[];

export type Activation = ActivationFunction | (typeof ACTIVATION_CHOICES)[number];
