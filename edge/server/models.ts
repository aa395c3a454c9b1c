// The loaded models by name. A new bundle is opened beside the old one and takes its place between
// requests; each request keeps the translator it began with, and the last one out closes it.
import { UserError } from "../../src/config/user_error.ts";
import type { EdgeTranslator } from "../runtime/translator.ts";

/** A translator in the hands of one request. */
export interface Lease {
  readonly name: string;
  readonly translator: EdgeTranslator;
  /** To be called when the request has ended; a second call does nothing. */
  release(): void;
}

export interface LoadedModel {
  readonly name: string;
  readonly translator: EdgeTranslator;
  readonly loadedAt: Date;
}

/** How often bundles were loaded and refused, by name. */
export interface LoadCount {
  readonly name: string;
  readonly loads: number;
  readonly refusals: number;
}

/** What a server needs to know of models. */
export interface ModelPool {
  /** Of all that are loaded or shall be. */
  names(): readonly string[];
  /** In the order they were first loaded. */
  list(): readonly LoadedModel[];
  /** The model's present translator, which stays open until it is released; undefined if none. */
  lease(name: string): Lease | undefined;
  counts(): readonly LoadCount[];
}

export interface Models extends ModelPool {
  /**
   * Opens a bundle and puts it in the place of the model's present one, if any. Loads of one name
   * follow each other in the order of the calls.
   *
   * @param open reads, checks and warms up; whatever it throws refuses the bundle.
   * @throws what `open` throws; the present translator then goes on.
   */
  load(name: string, open: () => Promise<EdgeTranslator>): Promise<void>;
  /** Takes all of them out, and loads nothing from now on. Resolves when the last request has ended. */
  close(): Promise<void>;
}

/** A translator and those who use it. */
interface Tenancy extends LoadedModel {
  leases: number;
  retired: boolean;
  /** Those who wait until it is closed. */
  readonly onClosed: (() => void)[];
}

/** @param expected names of models that will be loaded: what asks for one of them comes too early, not wrongly. */
export function createModels(expected: readonly string[] = []): Models {
  const current = new Map<string, Tenancy>();
  const counts = new Map<string, { name: string; loads: number; refusals: number }>();
  /** The last load of each name. */
  const loading = new Map<string, Promise<void>>();
  let isClosed = false;

  const retire = async (tenancy: Tenancy | undefined): Promise<void> => {
    if (tenancy === undefined) return;
    const closed = new Promise<void>((resolve) => tenancy.onClosed.push(resolve));
    tenancy.retired = true;
    closeIfUnused(tenancy);
    await closed;
  };

  const replace = async (name: string, open: () => Promise<EdgeTranslator>): Promise<void> => {
    const count = counts.get(name) ?? { name, loads: 0, refusals: 0 };
    counts.set(name, count);
    let translator: EdgeTranslator;
    try {
      if (isClosed) throw closedError(name);
      translator = await open();
    } catch (error) {
      count.refusals++;
      throw error;
    }
    if (isClosed) {
      translator.close();
      throw closedError(name);
    }
    count.loads++;
    const old = current.get(name);
    current.set(name, {
      name,
      translator,
      loadedAt: new Date(),
      leases: 0,
      retired: false,
      onClosed: [],
    });
    // Not awaited: the new one serves while the old one's requests end.
    retire(old);
  };

  return {
    names: () => [...new Set([...expected, ...current.keys()])],
    list: () => [...current.values()],
    counts: () => [...counts.values()],
    lease(name) {
      const tenancy = current.get(name);
      if (tenancy === undefined) return undefined;
      tenancy.leases++;
      let isHeld = true;
      const release = (): void => {
        if (!isHeld) return;
        isHeld = false;
        tenancy.leases--;
        closeIfUnused(tenancy);
      };
      return { name, translator: tenancy.translator, release };
    },
    async load(name, open) {
      const before = loading.get(name) ?? Promise.resolve();
      const load = before.then(() => replace(name, open));
      // What refuses one bundle must not refuse the next.
      const settled = load.catch(() => undefined);
      loading.set(name, settled);
      await load;
    },
    async close() {
      isClosed = true;
      const all = [...current.values()];
      current.clear();
      await Promise.all(all.map(retire));
    },
  };
}

function closeIfUnused(tenancy: Tenancy): void {
  if (!tenancy.retired || tenancy.leases > 0) return;
  tenancy.translator.close();
  for (const tell of tenancy.onClosed) tell();
}

function closedError(name: string): UserError {
  return new UserError({
    place: name,
    problem: "cannot be loaded: the server is about to stop",
    remedy: "start the server again",
  });
}
