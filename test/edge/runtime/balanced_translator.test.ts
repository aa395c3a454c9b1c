import { expect, test } from "bun:test";
import {
  BalancedTranslator,
  type LoadedTranslator,
} from "../../../edge/runtime/balanced_translator.ts";
import { createFake } from "../server/fake_translator.ts";

/** A member with so many calls already, which tells when it is called. */
function member(name: string, load: number, called: string[]): LoadedTranslator {
  const fake = createFake();
  return {
    load,
    manifest: fake.manifest,
    maxSourceTokens: fake.maxSourceTokens,
    engine: fake.engine,
    isReady: fake.isReady,
    memory: fake.memory,
    translate: (text, options) => fake.translate(text, options),
    score: (source, target, options) => fake.score(source, target, options),
    close: () => fake.close(),
    generate(text, options) {
      called.push(name);
      return fake.generate(text, options);
    },
  };
}

test("BalancedTranslator gives a call to whoever has the fewest, never to one that is gone", async () => {
  const called: string[] = [];
  const nothing = (): void => undefined;
  const gone = member("gone", Number.POSITIVE_INFINITY, called);
  const busy = member("busy", 3, called);
  const freer = member("freer", 1, called);
  await new BalancedTranslator([gone, busy, freer], nothing).generate("w5");
  await new BalancedTranslator([gone, busy], nothing).generate("w5");
  expect(called).toEqual(["freer", "busy"]);
});
