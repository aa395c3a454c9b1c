// The activations that a product can end with. Their order is what the kernels know them by.

export const ACTIVATIONS = [
  "none",
  "relu",
  "gelu",
  "gelu_tanh",
  "tanh",
  "sigmoid",
  "swish",
] as const;

export type Activation = (typeof ACTIVATIONS)[number];

/** The number that epilogue.as.ts knows the activation by. */
export const activationNumber = (activation: Activation): number => ACTIVATIONS.indexOf(activation);
