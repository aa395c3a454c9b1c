import manifest from "../package.json" with { type: "json" };

/** The version of weft, as its package.json says. */
export const version: string = manifest.version;
