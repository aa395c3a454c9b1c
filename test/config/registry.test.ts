import { expect, test } from "bun:test";
import { z } from "zod";
import { ModelRegistry, Registry } from "../../src/registry.ts";

test("Registry.get() offers the nearest name", () => {
  const registry = new Registry<{ name: string }>("criterion").add({ name: "cross_entropy" });
  expect(registry.get("cross_entropy").name).toBe("cross_entropy");
  expect(() => registry.get("crossentropy")).toThrow("did you mean cross_entropy?");
  expect(() => registry.get("x")).toThrow("there are: cross_entropy");
});

test("Registry.add() names both origins of a name that is taken", () => {
  const registry = new Registry<{ name: string }>("criterion").add({ name: "a" });
  expect(() => registry.add({ name: "a" }, "plug-in ./mine.ts")).toThrow(
    'criterion "a": is registered twice, by weft and by plug-in ./mine.ts',
  );
});

const config = z.strictObject({ layers: z.int().min(1).default(6) });

test("ModelRegistry chooses by architecture, and knows each model's own name as one", () => {
  const registry = new ModelRegistry("model").add({
    name: "tower",
    config,
    architectures: { tower_big: { layers: 12 } },
  });
  expect(registry.names()).toEqual(["tower", "tower_big"]);
  expect(registry.choose("tower").preset).toEqual({});
  expect(registry.choose("tower_big").preset).toEqual({ layers: 12 });
  registry.addArchitecture("tower", "tower_tiny", { layers: 1 }, "plug-in ./mine.ts");
  expect(registry.choose("tower_tiny").component.name).toBe("tower");
});

test("ModelRegistry refuses architectures that do not fit their model", () => {
  const registry = new ModelRegistry("model").add({ name: "tower", config, architectures: {} });
  expect(() => registry.addArchitecture("tower", "a", { layer: 1 })).toThrow(
    "did you mean layers?",
  );
  expect(() => registry.addArchitecture("tower", "a", { layers: 0 })).toThrow(
    "layers: 0 is refused",
  );
  expect(() => registry.addArchitecture("tower", "tower", {})).toThrow("is registered twice");
  expect(() => registry.addArchitecture("towr", "a", {})).toThrow("did you mean tower?");
});
