import { expect, test } from "bun:test";
import { ExchangeClock } from "../../../cluster/peer/exchange_clock.ts";

/** An exchange that begins at 1000 and sends its first bytes at 1100; the clock is moved by hand. */
function begun() {
  let now = 1000;
  const clock = new ExchangeClock(() => now);
  const at = (time: number): ExchangeClock => {
    now = time;
    return clock;
  };
  at(1000).begin();
  at(1100).sent(8);
  return at;
}

test("what comes after this peer's backward pass is not hidden", () => {
  const at = begun();
  at(1150).final();
  at(1400).final();
  at(1500).reduced();
  expect(at(1700).take()).toEqual({ sent: 8, received: 0, lasted: 400, exposed: 100 });
});

test("waiting for a slower peer is not exchange, but what follows is", () => {
  const at = begun();
  at(1400).final();
  // It has computed until 1600, and the word came after gradients that it had sent before.
  at(1750).othersFinal(0.6);
  at(1800).reduced();
  expect(at(1900).take()).toMatchObject({ lasted: 700, exposed: 200 });
});

test("one that began later than this peer is taken at its word as soon as it says so", () => {
  const at = begun();
  at(1200).othersFinal(0.3);
  at(1400).final();
  at(1450).reduced();
  expect(at(1500).take()).toMatchObject({ lasted: 350, exposed: 50 });
});

test("an update without this peer's gradients, which comes from others alone, hides nothing it sends", () => {
  const at = begun();
  at(1050).othersFinal(0.05);
  at(1300).reduced();
  expect(at(1300).take()).toMatchObject({ lasted: 200, exposed: 200 });
  at(2000).begin();
  expect(at(2100).take()).toMatchObject({ lasted: 0, exposed: 0 });
});
