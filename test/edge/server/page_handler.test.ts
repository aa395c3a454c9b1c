import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { pagePolicy } from "../../../edge/server/page_handler.ts";
import { startServer } from "./harness.ts";

const PAGE = '<style>p{}</style><p>x</p><script type="module">f()</script>';

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Buffer.from(digest).toString("base64");
}

test("GET / allows the page's own scripts and styles by their hashes, and nothing else", async () => {
  const { get } = await startServer({ page: PAGE });
  const { headers } = await get("/");
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy.split("; ")).toEqual([
    "default-src 'none'",
    `script-src 'sha256-${await hashOf("f()")}'`,
    `style-src 'sha256-${await hashOf("p{}")}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]);
  expect(headers.get("referrer-policy")).toBe("no-referrer");
});

test("pagePolicy() of a page without scripts allows none", async () => {
  expect(await pagePolicy("<p>x</p>")).toContain("script-src 'none'; style-src 'none'");
});
