// Imports point one way. Below, each room names the rooms it may import from; a room that needs
// another one belongs above it, or takes an interface that the lower room declares.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { root, sources } from "./source_files.ts";

/** The engine and all below it: what may speak of tensors. */
const tensors = ["tensor", "kernels", "device", "engine", "nn"];

/** Plain TypeScript: runs in a browser or a small worker too. */
const pure = ["config", "data", "score", "decode"];

/** fairseq's five kinds of component. */
const components = ["models", "criterions", "tasks", "optim", "lr_scheduler"];

/** Rooms that one needs only to name or list what the components are: the files of src/ itself. */
const lists = ["components", "registry", "registries", "scorer_components"];

const arrows: Readonly<Record<string, readonly string[]>> = {
  // numbers, from the bottom up
  tensor: [],
  build_stamps: ["config"],
  kernels: ["tensor", "build_stamps"],
  wasm: ["config"],
  native: [],
  device: ["kernels", "tensor", "config", "workers", "wasm", "native", "build_stamps"],
  engine: ["device", "kernels", "tensor", "config"],
  sinusoid: [],
  nn: ["engine", "kernels", "tensor", "sinusoid"],
  // text, from the bottom up; none of it knows tensors
  config: [],
  data: ["config", "workers"],
  score: ["config", "data"],
  decode: ["config", "data", "score"],
  // files of others
  interop: ["config", "tensor"],
  // components
  components: ["registry", "config", ...components],
  registry: ["config"],
  lr_scheduler: ["config"],
  models: [...tensors, "config", "decode", "components"],
  criterions: [...tensors, "config", "models", "components"],
  optim: [...tensors, "config", "components"],
  tasks: ["config", "data", "models", "components"],
  scorer_components: ["components", "config", "score"],
  registries: ["components", "registry", "scorer_components", ...components, "config"],
  plugin_library: [...tensors, "models"],
  plugin: [...lists, ...components, "plugin_library", "config"],
  // programs over all of it
  train: [...tensors, ...pure, ...components, ...lists, "interop", "version", "cluster"],
  generate: [
    ...[...tensors, ...pure, ...components, ...lists, "interop", "train", "version"],
    "workers",
  ],
  measure: [...tensors, ...pure, ...components, ...lists, "train", "version"],
  cli: [
    ...["train", "generate", "measure", "decode", "score", "data", "config", "device", "interop"],
    ...["models", "tasks", ...lists, "plugin", "version", "workers", "kernels", "cluster"],
    ...["edge/export", "edge/runtime", "edge/server", "edge/platforms", "edge/build.ts"],
  ],
  workers: [],
  version: [],
  // further houses: peers know the data they share, a bundle for the edge stays small
  cluster: ["config", "data", "workers", "native", "build_stamps"],
  "edge/export": [
    ...[...pure, ...components, ...lists, "train", "generate", "interop", "nn", "version"],
    ...["edge/runtime", "edge/onnx", "edge/platforms"],
  ],
  "edge/runtime": ["config", "data", "decode", "wasm", "sinusoid"],
  "edge/onnx": ["config", "data", "decode", "sinusoid", "wasm", "edge/runtime"],
  "edge/server": ["config", "data", "decode", "wasm", "edge/runtime", "version"],
  "edge/platforms": [
    ...["config", "data", "decode", "build_stamps"],
    ...["edge/runtime", "edge/onnx", "edge/server", "edge/page"],
  ],
  "edge/page": ["config", "data", "decode", "edge/runtime", "edge/onnx"],
  "edge/build.ts": ["edge/page", "build_stamps"],
  "edge/mod.ts": ["config", "edge/runtime", "edge/platforms"],
};

/** Free to import everything. */
const free = /^(test|bench|recipes|docs)\//;

/** No code, but read as data. */
const read = /^(build\/.*|package\.json)$/;

/** "src/data/bpe/x.ts" lies in data, "kernels/norm/x.ts" in kernels, "src/plugin.ts" in plugin. */
function roomOf(path: string): string {
  const [top, second = "", ...rest] = path.split("/");
  if (top === "src") return rest.length > 0 ? second : second.replace(/\.ts$/, "");
  return top === "edge" ? `edge/${second}` : top;
}

/** Targets of a file's imports of files, static and dynamic, from the top of the repository. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), "utf8");
  const specifiers = text.matchAll(/(?:^|[\s};])(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g);
  return [...specifiers].map(([, specifier]) => normalize(join(dirname(path), specifier)));
}

interface Arrow {
  readonly file: string;
  readonly target: string;
}

const imports: readonly Arrow[] = sources
  .filter((file) => !free.test(file))
  .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
  .filter(({ target }) => !read.test(target));

test("static, type-only and dynamic imports are all seen", () => {
  const file = "src/device/cpu/kernels_file.ts";
  expect(imports).toContainEqual({ file, target: "src/device/cpu/kernels_embedded.ts" });
  expect(importsOf("src/plugin.ts")).toContain("src/components.ts");
  expect(importsOf("src/tensor/tensor.ts")).toContain("src/tensor/shape.ts");
});

test("every room has a row in the table of arrows", () => {
  const rooms = new Set(imports.map(({ file }) => roomOf(file)));
  expect([...rooms].filter((room) => !(room in arrows))).toEqual([]);
});

test("imports between rooms follow the arrows", () => {
  const wrong = imports.filter(({ file, target }) => {
    const [from, to] = [roomOf(file), roomOf(target)];
    return from !== to && !arrows[from]?.includes(to);
  });
  expect(wrong.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
});

test("the table of arrows has no circle but that of a component's own declaration", () => {
  // components.ts only names types of the five kinds, whose files declare themselves with it.
  const known = (room: string) => room === "components";
  const circle = (room: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(room)) return [...path.slice(path.indexOf(room)), room];
    for (const next of (arrows[room] ?? []).filter((each) => !known(each))) {
      const found = circle(next, [...path, room]);
      if (found) return found;
    }
    return undefined;
  };
  expect(Object.keys(arrows).flatMap((room) => circle(room, []) ?? [])).toEqual([]);
});
