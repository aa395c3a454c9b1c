import { describeOrigin } from "../config/origin.ts";
import type { Setting } from "../config/resolve.ts";
import type { Command } from "./command.ts";
import { findCommand } from "./program.ts";

const usage = [
  "weft config: show each setting of a command and where it comes from",
  "",
  "usage: weft config COMMAND [the command's arguments]",
  "",
  "Nothing is run. Example: weft config train data-bin --config run.yaml --lr 5e-4",
].join("\n");

/** `weft config COMMAND ...`: the settings that `weft COMMAND ...` would run with. */
export function configCommand(commands: () => readonly Command[]): Command {
  const inspect = (args: readonly string[]): Promise<readonly Setting[]> => {
    const { command, words } = findCommand(args, commands());
    return command.inspect(args.slice(words));
  };
  return {
    name: "config",
    summary: "show each setting of a command and where it comes from",
    inspect,
    async execute(args, terminal) {
      const [first] = args;
      if (first === undefined || first === "--help" || first === "-h") {
        terminal.line(usage);
        return;
      }
      for (const line of settingLines(await inspect(args))) terminal.line(line);
    },
  };
}

/** YAML that could be a configuration file, with the origin of each value as a comment. */
function settingLines(settings: readonly Setting[]): string[] {
  const lines: string[] = [];
  const seen = new Set<string>();
  let section = "";
  for (const setting of settings) {
    if (setting.section === "every_command" || seen.has(setting.key)) continue;
    seen.add(setting.key);
    if (setting.section !== section)
      lines.push(`${lines.length > 0 ? "\n" : ""}# ${setting.section}`);
    section = setting.section;
    const value = setting.value === undefined ? "null" : JSON.stringify(setting.value);
    lines.push(`${`${setting.key}: ${value}`.padEnd(46)} # ${describeOrigin(setting.origin)}`);
  }
  return lines;
}
