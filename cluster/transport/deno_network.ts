// The part of Deno's interface that the cluster uses.

interface NetworkAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface DenoSocket {
  readonly remoteAddr: NetworkAddress;
  /** @returns bytes read; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** @returns bytes that the kernel took. */
  write(bytes: Uint8Array): Promise<number>;
  setNoDelay(on: boolean): void;
  close(): void;
}

export interface DenoListener {
  readonly addr: NetworkAddress;
  accept(): Promise<DenoSocket>;
  close(): void;
}

interface DenoNetwork {
  listen(options: NetworkAddress): DenoListener;
  connect(options: NetworkAddress & { readonly signal: AbortSignal }): Promise<DenoSocket>;
}

/** Deno's sockets. */
export function denoNetwork(): DenoNetwork {
  return (globalThis as unknown as { Deno: DenoNetwork }).Deno;
}
