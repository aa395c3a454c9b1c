import { expectation, placeholder, show } from "../config/expectation.ts";
import type { Field } from "../config/field.ts";
import { hasPlace, isSwitch } from "../config/field.ts";
import type { Plan } from "../config/plan.ts";

const indent = 30;

/** The text of `weft COMMAND --help`: every flag of this invocation, by section. */
export function commandHelp(name: string, summary: string, plan: Plan, columns: number): string {
  const seen = new Set<string>();
  const blocks = [`weft ${name}: ${summary}`, usage(name, plan)];
  for (const section of plan.sections) {
    const choice = plan.choices.find((field) => field.section === section.name);
    const fields = [...(choice === undefined ? [] : [choice]), ...section.fields];
    const fresh = fields.filter(({ key }) => !seen.has(key));
    for (const { key } of fresh) seen.add(key);
    if (fresh.length === 0) continue;
    const { selection } = section;
    const chosen = selection === undefined ? "" : ` ${selection.component.name}`;
    const [places, flags] = [true, false].map((placed) =>
      fresh.filter((field) => hasPlace(field) === placed),
    );
    const lines = [...(places ?? []), ...(flags ?? [])].map((field) => fieldHelp(field, columns));
    blocks.push([`${section.name.replaceAll("_", " ")}${chosen}:`, ...lines].join("\n"));
  }
  return blocks.join("\n\n");
}

/** The text of `weft --help`. */
export function overviewHelp(
  version: string,
  commands: readonly { readonly name: string; readonly summary: string }[],
): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  return [
    `weft ${version}: sequence modelling in TypeScript`,
    "",
    "usage: weft COMMAND [arguments]",
    "",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`),
    "",
    "weft COMMAND --help tells the arguments of a command; with --criterion X, --arch X and their",
    "like before it, those of that component too.",
  ].join("\n");
}

function usage(name: string, plan: Plan): string {
  const words = plan.table.positionals.map(({ key, required }) => (required ? key : `[${key}]`));
  const rest = plan.table.rest ? ["--", plan.table.rest.key] : [];
  return `usage: ${["weft", name, ...words, "[flags]", ...rest].join(" ")}`;
}

function fieldHelp(field: Field, columns: number): string {
  const left = `  ${signature(field)}`;
  const lines = wrap(`${field.description}${remarks(field)}`, Math.max(columns - indent, 30));
  const first = left.length < indent - 1 ? left.padEnd(indent) + (lines.shift() ?? "") : left;
  return [first, ...lines.map((line) => " ".repeat(indent) + line)].join("\n").trimEnd();
}

/** "-s, --source-lang LANG", "--[no-]left-pad-source", "--print-alignment [{hard,soft}]". */
function signature(field: Field): string {
  if (field.positional) return field.key;
  if (field.rest) return `-- ${field.key}`;
  const aliases = field.aliases ?? [];
  const short = aliases.filter((alias) => !alias.startsWith("--"));
  const long = aliases.filter((alias) => alias.startsWith("--"));
  if (isSwitch(field)) {
    const flag = field.default === true ? field.flag.replace("--", "--[no-]") : field.flag;
    return [...short, flag, ...long].join(", ");
  }
  const value = field.placeholder ?? (isLong(field) ? "NAME" : placeholder(field.value));
  const flags = [...short, field.flag, ...long].join(", ");
  return `${flags} ${field.bare === undefined ? value : `[${value}]`}`;
}

/** Whether its choices are better told in the description than in the signature. */
function isLong(field: Field): boolean {
  return field.value.enum !== undefined && placeholder(field.value).length > 40;
}

function remarks(field: Field): string {
  const { default: standard, required, bare, shorthands } = field;
  const notes = Object.entries(shorthands ?? {}).map(([flag, value]) => `${flag}: ${value}`);
  if (isLong(field)) notes.push(expectation(field.value));
  if (required && !hasPlace(field)) notes.push("required");
  if (bare !== undefined && bare !== true) notes.push(`alone: ${bare}`);
  const value = typeof standard === "string" ? standard : show(standard);
  if (!["", "{}", "false", "nothing"].includes(value)) notes.push(`default: ${value}`);
  const text = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  return field.description === "" ? ` ${expectation(field.value)}${text}` : text;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.trim().split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
