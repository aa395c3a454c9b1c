/** How the two ends of a connection know each other. */
export type Security =
  /** Not at all: for one machine, or a network that nobody else is on. */
  | { readonly kind: "plain" }
  /**
   * TLS 1.3, both sides with a certificate of one authority; nobody on the way reads or alters anything.
   * All three are PEM texts, as `weft cluster certificates` writes them. A
   * byte costs up to twice the CPU time of a plain one on Bun, and three to five times on Deno, where only
   * node:tls asks for certificates.
   */
  | ({ readonly kind: "tls" } & TlsIdentity)
  /** One secret that all peers share. It says who connects, and protects nothing that is sent. */
  | { readonly kind: "secret"; readonly secret: Uint8Array };

/** With what a peer proves itself, and what it believes others by. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}
