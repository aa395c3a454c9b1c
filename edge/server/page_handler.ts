// The page at /, and what its browser may do with it: run the scripts and styles that stand in it,
// known by their hashes, and ask this server. Nothing else, whatever text comes back from a model.
import type { Context } from "hono";

/** Answers with a page of HTML that brings its own scripts and styles along. */
export function pageHandler(page: string): (c: Context) => Promise<Response> {
  let policy: Promise<string> | undefined;
  return async (c) => {
    // At the first request: workerd has no hashes before.
    policy ??= pagePolicy(page);
    c.header("content-security-policy", await policy);
    c.header("referrer-policy", "no-referrer");
    return c.html(page);
  };
}

/** The content-security-policy of a page. */
export async function pagePolicy(page: string): Promise<string> {
  const [scripts, styles] = await Promise.all([hashesOf(page, "script"), hashesOf(page, "style")]);
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    `style-src ${styles}`,
    "connect-src 'self'",
    "img-src data:",
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
  ].join("; ");
}

/** Hashes of the elements that have a text, as a policy lists them. */
async function hashesOf(page: string, tag: "script" | "style"): Promise<string> {
  const texts = [...page.matchAll(new RegExp(`<${tag}\\b[^>]*>([^]*?)</${tag}>`, "g"))];
  const hashes = await Promise.all(texts.map(([, text]) => hashOf(text)));
  return hashes.length === 0 ? "'none'" : hashes.join(" ");
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;
}
