/** How the two ends of a connection know each other. */
export type Security =
  /** Not at all: for one machine, or a network that nobody else is on. */
  { readonly kind: "plain" };
