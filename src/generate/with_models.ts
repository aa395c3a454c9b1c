import { writeFile } from "node:fs/promises";
import type { DeviceConfig } from "../config/schemas/device.ts";
import type { Device, Span } from "../device/device.ts";
import { openDevice } from "../device/open_device.ts";
import { traceDocument } from "../engine/profile.ts";
import { type Ensemble, type EnsembleSource, loadEnsemble } from "./load_ensemble.ts";
import { type Available, changedPlugins } from "./stored_plugins.ts";

/** What the commands over finished models need of a terminal. */
export interface EvaluationTerminal {
  /** A line of results. */
  line(text: string): void;
  /** A line for whoever watches. */
  log(text: string): void;
  progress(
    label: string,
    total?: number,
  ): {
    advance(steps?: number, values?: Readonly<Record<string, string>>): void;
    done(): void;
  };
}

/** The same terminal, on which no bar is ever drawn. */
export const withoutBar = (terminal: EvaluationTerminal): EvaluationTerminal => ({
  line: (text) => terminal.line(text),
  log: (text) => terminal.log(text),
  progress: () => ({ advance() {}, done() {} }),
});

export interface LoadedModels extends Ensemble {
  readonly device: Device;
  /** Where runs on the device leave their times, under --profile. */
  readonly spans: Span[] | undefined;
}

/** Opens the device and loads the models, runs `body` with them, and gives all back. */
export async function withModels(
  settings: {
    readonly device: DeviceConfig;
    readonly profile: string | undefined;
    /** Hears what serves, before the models are read. */
    readonly onDevice?: (device: Device) => void;
  },
  source: EnsembleSource,
  available: Available,
  terminal: EvaluationTerminal,
  body: (loaded: LoadedModels) => Promise<void>,
): Promise<void> {
  const device = await openDevice(settings.device, (line) => terminal.log(line));
  try {
    settings.onDevice?.(device);
    const spans: Span[] | undefined = settings.profile === undefined ? undefined : [];
    const ensemble = loadEnsemble(source, available, device);
    for (const line of changedPlugins(ensemble.stored, available.plugins)) terminal.log(line);
    await body({ ...ensemble, device, spans });
    if (spans && settings.profile !== undefined) {
      await writeFile(settings.profile, traceDocument(spans));
      terminal.log(`wrote the time of each op to ${settings.profile}`);
    }
  } finally {
    await device.close();
  }
}
