// What "bun:test" is under Deno (deno.json maps it here): the part of Bun's test interface that the
// tests use, over Deno's own runner and Jest's expect.
import { expect as jestExpect } from "expect";

type Body = () => void | Promise<void>;

jestExpect.extend({
  toStartWith(received: string, start: string) {
    const pass = received.startsWith(start);
    return { pass, message: () => `${JSON.stringify(received)} begins with ${start}: ${pass}` };
  },
});

/** Bun's second argument, a message for failures, has no counterpart in Jest's. */
export const expect = Object.assign(
  (actual: unknown, _message?: string) => jestExpect(actual),
  jestExpect,
);

/** A suite that is being described: its name goes before those of its tests. */
const suites: string[] = [];

interface DenoTest {
  name: string;
  ignore?: boolean;
  sanitizeOps: boolean;
  sanitizeResources: boolean;
  fn: Body;
}

declare const Deno: {
  readonly test: ((definition: DenoTest) => void) & {
    beforeAll(body: Body): void;
    afterAll(body: Body): void;
  };
};

function define(name: string, fn: Body, ignore: boolean): void {
  const fullName = [...suites, name].join(" > ");
  Deno.test({ name: fullName, ignore, sanitizeOps: false, sanitizeResources: false, fn });
}

/** The third argument, a time limit in Bun, has no meaning here. */
export function test(name: string, body: Body, _milliseconds?: number): void {
  define(name, body, false);
}
test.skip = (name: string, body: Body): void => define(name, body, true);

export function describe(name: string, body: () => void): void {
  suites.push(name);
  body();
  suites.pop();
}

/** Runs once before the first test of the file. */
export function beforeAll(body: Body): void {
  Deno.test.beforeAll(body);
}

/** Runs once after the last test of the file. */
export function afterAll(body: Body): void {
  Deno.test.afterAll(body);
}
