import type { BundleSource } from "../runtime/bundle.ts";

/**
 * A bundle below an address.
 *
 * @param base ends with a slash.
 * @param onBytes hears how many bytes of a file have come.
 */
export const fetchSource = (
  base: string,
  onBytes: (name: string, bytes: number) => void,
): BundleSource => ({
  place: new URL(base).pathname.replace(/\/$/, ""),
  read: (name) => fetchBytes(new URL(name, base), (bytes) => onBytes(name, bytes)),
});

/** @throws Error that says with which status the file was refused. */
export async function fetchBytes(
  url: URL,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the web server answers with status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { value } = (await reader?.read()) ?? {};
    if (value === undefined) break;
    chunks.push(value);
    length += value.length;
    onBytes(length);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
