import { cwd } from "node:process";
import { z } from "zod";
import { parseArguments } from "../config/arguments.ts";
import type { Sections, Values } from "../config/choice.ts";
import { readConfigFile } from "../config/config_file.ts";
import { fieldsOf } from "../config/field.ts";
import { FlagTable } from "../config/flag_table.ts";
import { interpretValue } from "../config/interpret.ts";
import { planSections, type Sources } from "../config/plan.ts";
import type { ConfigRecord, PluginRecord } from "../config/record.ts";
import { toRecord } from "../config/record.ts";
import { resolvePlan, type Setting } from "../config/resolve.ts";
import { loadPlugin } from "../plugin.ts";
import { createRegistries, type Registries } from "../registries.ts";
import { commandHelp } from "./help.ts";
import type { Terminal } from "./terminal.ts";

/** What a command's `run` may want to know besides its configuration. */
export interface Invocation {
  /** The command line behind the command's name. */
  readonly args: readonly string[];
  /** All components, those of plug-ins included. */
  readonly registries: Registries;
  readonly plugins: readonly PluginRecord[];
  /** Every value with its origin, in the order of the sections. */
  readonly settings: readonly Setting[];
  /** What a checkpoint should remember. */
  readonly record: ConfigRecord;
}

/** What `run` may return: an exit code, as after a signal; nothing is success. */
export type ExitCode = number | undefined;

/** A command of `weft`, ready to run. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /**
   * @param args what follows the command's name.
   * @returns the exit code, or nothing for success.
   */
  execute(args: readonly string[], terminal: Terminal): Promise<ExitCode>;
  /** The settings that `execute` would run with; runs nothing. */
  inspect(args: readonly string[]): Promise<readonly Setting[]>;
}

/** What `run` receives: one schema's output, or that of each section. */
export type ConfigOf<C> = C extends z.ZodObject ? z.output<C> : Values<C>;

interface Definition<C extends z.ZodObject | Sections> {
  /** One word, or two for a command within a group: "bpe learn". */
  readonly name: string;
  readonly summary: string;
  /** One schema, or named sections of schemas and choices. */
  readonly config: C;
  run(
    config: ConfigOf<C>,
    terminal: Terminal,
    invocation: Invocation,
  ): void | ExitCode | Promise<void> | Promise<ExitCode>;
}

/** Flags that every command has; their heading in --help. */
const everyCommand = z.strictObject({
  config: z
    .string()
    .optional()
    .describe("YAML or JSON file of settings; flags win over it")
    .meta({ placeholder: "FILE" }),
  plugin: z
    .array(z.string())
    .default([])
    .describe("ES module with further components; may be repeated")
    .meta({ placeholder: "FILE" }),
  debug: z.boolean().default(false).describe("show where an error arose"),
  help: z
    .boolean()
    .default(false)
    .describe("show this help")
    .meta({ aliases: ["-h"] }),
});

/** Declares a command by its schema and what it does with the parsed result. */
export function command<C extends z.ZodObject | Sections>(definition: Definition<C>): Command {
  const { name, summary, config } = definition;
  const isSchema = config instanceof z.ZodObject;
  const own: Sections = isSchema ? { [name.replaceAll(" ", "_")]: config } : (config as Sections);
  const sections: Sections = { ...own, every_command: everyCommand };

  return {
    name,
    summary,
    async execute(args, terminal) {
      const { sources, registries, plugins, wantsHelp } = await prepare(args);
      const plan = planSections(sections, sources);
      if (wantsHelp) {
        terminal.line(commandHelp(name, summary, plan, terminal.columns));
        return;
      }
      const { values, settings } = resolvePlan(name, plan, sources);
      const record = toRecord(name, own, values, plugins);
      const input = isSchema ? Object.values(values)[0] : values;
      const code = await definition.run(input as ConfigOf<C>, terminal, {
        args,
        registries,
        plugins,
        settings,
        record,
      });
      return typeof code === "number" ? code : undefined;
    },
    async inspect(args) {
      const { sources } = await prepare(args);
      return resolvePlan(name, planSections(sections, sources), sources).settings;
    },
  };
}

interface Prepared {
  readonly sources: Sources;
  readonly registries: Registries;
  readonly plugins: readonly PluginRecord[];
  readonly wantsHelp: boolean;
}

/** Before anything else is understood: the configuration file, then the plug-ins it or flags name. */
async function prepare(args: readonly string[]): Promise<Prepared> {
  const fields = fieldsOf("every_command", everyCommand);
  const given = parseArguments(args, new FlagTable(fields), { tolerant: true });
  const path = given.get("config")?.value;
  const file = typeof path === "string" ? await readConfigFile(path) : undefined;
  const registries = createRegistries();
  const plugins: PluginRecord[] = [];
  const named = given.get("plugin")?.value;
  const folder = named === undefined ? (file?.folder ?? cwd()) : cwd();
  for (const plugin of pathsOf(named ?? file?.values.plugin)) {
    plugins.push(await loadPlugin(plugin, folder, registries));
  }
  const sources = { args, file, components: registries };
  return { sources, registries, plugins, wantsHelp: given.get("help")?.value === true };
}

function pathsOf(value: unknown): string[] {
  const list = interpretValue({ type: "array", items: { type: "string" } }, value ?? []);
  return z.array(z.string()).catch([]).parse(list);
}
