/**
 * What the service worker knows of the deployment that it serves. It is set as the global
 * weftDeployment in the first line of service_worker.js, so that every deployment's file is another:
 * by that browsers see that there is something new.
 */
export interface StaticDeployment {
  /** Another for every deployment. */
  readonly version: string;
  /** Files of the page, relative to service_worker.js; "./" is the page. */
  readonly shell: readonly string[];
  /** More files of the page, kept only once it has asked for them, with a hash of what they hold. */
  readonly late: Readonly<Record<string, string>>;
  /** Bundles, by the names of their folders. */
  readonly models: readonly string[];
}
