/** Milliseconds that a first visit waits for the service worker before it goes on without. */
const PATIENCE = 5000;

/**
 * Registers the service worker, and waits until it sees what this page asks for.
 *
 * @param onNewer called when a newer deployment has taken over.
 * @returns false if nothing is kept: this browser has no service workers, or forbids them here.
 */
export async function keepForOffline(onNewer: () => void): Promise<boolean> {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (container === undefined) return false;
  if (container.controller) container.addEventListener("controllerchange", onNewer);
  try {
    const registration = await container.register("service_worker.js", { updateViaCache: "none" });
    if (container.controller) return true;
    // After a forced reload the page goes without, though the worker is there.
    if (registration.active) return false;
    return await takesControl(container, registration.installing ?? registration.waiting);
  } catch {
    return false;
  }
}

/** The service worker claims this page as soon as it is active, unless its files cannot be had. */
function takesControl(
  container: ServiceWorkerContainer,
  worker: ServiceWorker | null,
): Promise<boolean> {
  return new Promise((resolve) => {
    container.addEventListener("controllerchange", () => resolve(true), { once: true });
    worker?.addEventListener("statechange", () => {
      if (worker.state === "redundant") resolve(false);
    });
    setTimeout(() => resolve(container.controller !== null), PATIENCE);
  });
}
