/** Where a value came from. Later ones give way to earlier ones. */
export type Origin =
  | { readonly from: "flag"; readonly flag: string }
  | { readonly from: "file"; readonly path: string; readonly key: string }
  | { readonly from: "architecture"; readonly name: string; readonly key: string }
  | { readonly from: "default"; readonly flag: string };

/** As `weft config` prints it: "--lr", "run.yaml", "architecture transformer_tiny", "default". */
export function describeOrigin(origin: Origin): string {
  switch (origin.from) {
    case "flag":
      return origin.flag.startsWith("-") ? origin.flag : "command line";
    case "file":
      return origin.path;
    case "architecture":
      return `architecture ${origin.name}`;
    case "default":
      return "default";
  }
}

/** The place to name in an error about the value. */
export function placeOf(origin: Origin): string {
  switch (origin.from) {
    case "flag":
    case "default":
      return origin.flag;
    case "file":
      return `${origin.path}: ${origin.key}`;
    case "architecture":
      return `architecture ${origin.name}: ${origin.key}`;
  }
}
