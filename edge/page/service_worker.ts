// Entry point of the service worker: after the first visit the page needs no network. Three caches: the
// page's own files, one cache for each deployment; bundles, kept from deployment to deployment, because
// a new page need not cost a new download of the weights; and what a visitor chose beside our own
// kernels, megabytes that few deployments change, each file under the hash of what it holds.
import type { StaticDeployment } from "./static_deployment.ts";

/** The part of a service worker's scope that is used; TypeScript's own excludes the library of pages. */
interface Scope {
  readonly weftDeployment: StaticDeployment;
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: Extended) => void): void;
  addEventListener(type: "fetch", listener: (event: Asked) => void): void;
}

interface Extended {
  waitUntil(work: Promise<unknown>): void;
}

interface Asked extends Extended {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

const scope = globalThis as unknown as Scope;
const { version, shell, late, models } = scope.weftDeployment;
const base = scope.registration.scope;

// An origin has one list of caches, and may hold other deployments below other paths.
const mine = `weft ${base} `;
const pageCache = `${mine}page ${version}`;
const bundleCache = `${mine}bundles`;
const lateCache = `${mine}late`;

const shellUrls = new Set(shell.map((path) => new URL(path, base).href));
/** Addresses, and what they are called in the cache. */
const lateUrls = new Map(
  Object.entries(late).map(([path, hash]) => {
    const { href } = new URL(path, base);
    return [href, `${href}?${hash}`];
  }),
);
const bundleUrls = models.map((name) => new URL(`bundle/${encodeURIComponent(name)}/`, base).href);

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("fetch", (event) => {
  const answer = answerTo(event);
  if (answer) event.respondWith(answer);
});

async function install(): Promise<void> {
  const cache = await caches.open(pageCache);
  // Past the browser's own cache, which may still hold files of the deployment before.
  await cache.addAll([...shellUrls].map((url) => new Request(url, { cache: "reload" })));
  await scope.skipWaiting();
}

async function activate(): Promise<void> {
  const current = [pageCache, bundleCache, ...(lateUrls.size > 0 ? [lateCache] : [])];
  for (const name of await caches.keys()) {
    if (name.startsWith(mine) && !current.includes(name)) await caches.delete(name);
  }
  await forget(bundleCache, (url) => !bundleUrls.some((bundle) => url.startsWith(bundle)));
  if (lateUrls.size > 0) {
    const wanted = [...lateUrls.values()];
    await forget(lateCache, (url) => !wanted.includes(url));
  }
  await scope.clients.claim();
}

function answerTo(event: Asked): Promise<Response> | undefined {
  const { request } = event;
  if (request.method !== "GET") return undefined;
  const { origin, pathname } = new URL(request.url);
  const url = origin + pathname;
  if (request.mode === "navigate" && isPage(url)) return keptOrFetched(event, base, pageCache);
  if (shellUrls.has(url)) return keptOrFetched(event, url, pageCache);
  const key = lateUrls.get(url);
  if (key !== undefined) return keptOrFetched(event, url, lateCache, key);
  const bundle = bundleUrls.find((each) => url.startsWith(each));
  if (bundle === undefined) return undefined;
  return url === `${bundle}manifest.json`
    ? newestManifest(event, url, bundle)
    : keptOrFetched(event, url, bundleCache);
}

const isPage = (url: string): boolean => url === base || url === new URL("index.html", base).href;

/** @param key what the file is called in the cache. */
async function keptOrFetched(
  event: Asked,
  url: string,
  cacheName: string,
  key = url,
): Promise<Response> {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(key);
  if (kept) return kept;
  const response = await fetch(url, { cache: "no-cache" });
  // Kept while the page already reads it, which shows how far a download is.
  if (response.ok) event.waitUntil(keep(cache, key, response.clone()));
  return response;
}

/** From the network if there is one: a bundle that was replaced takes its old files with it. */
async function newestManifest(event: Asked, url: string, bundle: string): Promise<Response> {
  const cache = await caches.open(bundleCache);
  const kept = await cache.match(url);
  let response: Response;
  try {
    response = await fetch(url, { cache: "no-cache" });
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
  // A web server that is in trouble must not take the model away.
  if (!response.ok) return kept ?? response;
  const isSame = kept !== undefined && (await kept.text()) === (await response.clone().text());
  if (!isSame) {
    await forget(bundleCache, (each) => each.startsWith(bundle));
    event.waitUntil(keep(cache, url, response.clone()));
  }
  return response;
}

/** Where there is no room left the page still works, as long as there is a network. */
async function keep(cache: Cache, url: string, response: Response): Promise<void> {
  try {
    await cache.put(url, response);
  } catch (error) {
    console.warn(`${url} is not kept for offline use:`, error);
  }
}

async function forget(cacheName: string, isUnwanted: (url: string) => boolean): Promise<void> {
  const cache = await caches.open(cacheName);
  for (const { url } of await cache.keys()) if (isUnwanted(url)) await cache.delete(url);
}
