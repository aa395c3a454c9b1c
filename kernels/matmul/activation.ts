// The activations that a product can end with. Their order is what the kernels know them by.
import { ACTIVATIONS, type Activation as AnyActivation } from "../elementwise/index.ts";

export const EPILOGUES = ["linear", ...ACTIVATIONS] as const;

/** "linear" leaves the product as it is. */
export type Activation = (typeof EPILOGUES)[number];

/** The number that epilogue.as.ts knows the activation by. */
export const activationNumber = (activation: Activation): number => EPILOGUES.indexOf(activation);

/** `gelu_fast` is another name of `gelu_accurate`. */
export const epilogueOf = (activation: AnyActivation): Activation =>
  activation === "gelu_fast" ? "gelu_accurate" : activation;
