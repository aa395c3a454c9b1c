import type { BundleSource } from "../runtime/bundle.ts";

/** A bundle on a web server. @param base the folder, with or without a slash at its end. */
export const urlSource = (base: string): BundleSource => ({
  place: base,
  async read(name) {
    const response = await fetch(new URL(name, base.endsWith("/") ? base : `${base}/`));
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
});
