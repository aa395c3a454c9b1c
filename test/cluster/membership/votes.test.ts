import { expect, test } from "bun:test";
import fc from "fast-check";
import { Acceptor } from "../../../cluster/membership/acceptor.ts";
import { Suspicions } from "../../../cluster/membership/suspicions.ts";
import { isQuorum, type Member, type View } from "../../../cluster/membership/view.ts";

const memberOf = (rank: number): Member => ({ rank, incarnation: 1, host: "h", port: 1 });
const viewOf = (generation: number, ranks: readonly number[]): View => ({
  ...{ generation, members: ranks.map(memberOf), resume: 0, fetching: [] },
});

test("any two quorums of a view have a member in common, whoever is known to have left", () => {
  // What each of up to 8 members does: votes on one side, on the other, on both, or leaves unheard or
  // heard of by one side, by the other, by both.
  const deeds = fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(deeds, (doing) => {
      const view = viewOf(
        1,
        doing.map((_, rank) => rank),
      );
      const ranksOf = (...kinds: readonly number[]): Set<number> =>
        new Set(doing.flatMap((deed, rank) => (kinds.includes(deed) ? [rank] : [])));
      const first = isQuorum(view, ranksOf(0, 2), ranksOf(4, 6));
      const second = isQuorum(view, ranksOf(1, 2), ranksOf(5, 6));
      expect(first && second && ranksOf(2).size === 0).toBe(false);
    }),
    { numRuns: 2000, seed: 1 },
  );
});

const position = { step: 1, held: false, parameters: 0, installed: 0, whole: true };
const prepare = (generation: number, ballot: [number, number]) =>
  ({ t: "prepare", generation, ballot, forms: null }) as const;
const stand = () => ({ position, last: null });

test("Acceptor keeps what it has promised and accepted about each generation", () => {
  const acceptor = new Acceptor();
  const view = viewOf(4, [0, 1]);
  acceptor.prepare(prepare(3, [1, 0]), stand);
  acceptor.accept({ t: "accept", generation: 3, ballot: [1, 0], view });
  // It is asked about a view that it has not heard of, and then again about its own.
  expect(acceptor.prepare(prepare(4, [1, 1]), stand)).toMatchObject({ accepted: null });
  expect(acceptor.prepare(prepare(3, [1, 0]), stand)).toMatchObject({ accepted: { view } });
  expect(acceptor.prepare(prepare(4, [1, 0]), stand)).toMatchObject({ t: "reject" });
  expect(acceptor.lastAccepted).toBe(3);
  expect(acceptor.knowsLater(3)).toBe(true);
  acceptor.forget(4);
  expect(acceptor.lastAccepted).toBe(0);
  expect(acceptor.roundOf(4)).toBe(1);
});

test("Acceptor refuses views of ballots older than it has promised", () => {
  const acceptor = new Acceptor();
  acceptor.prepare(prepare(1, [2, 1]), stand);
  const accept = { t: "accept", generation: 1, view: viewOf(2, [0]) } as const;
  expect(acceptor.accept({ ...accept, ballot: [2, 0] })).toEqual({
    ...{ t: "reject", generation: 1, promised: [2, 1] },
  });
  expect(acceptor.accept({ ...accept, ballot: [2, 1] }).t).toBe("accepted");
});

test("Suspicions leave out who is missed by many, or misses many", () => {
  const suspicions = new Suspicions();
  suspicions.hear(3, [1, 2], []);
  suspicions.hear(1, [3], []);
  expect(suspicions.trusted([0, 1, 2, 3])).toEqual([0, 1, 2]);
});

test("Suspicions leave out of two who does not complain, for it may be dead", () => {
  const suspicions = new Suspicions();
  suspicions.hear(3, [1], []);
  expect(suspicions.trusted([0, 1, 2, 3])).toEqual([0, 2, 3]);
  suspicions.hear(1, [3], []);
  expect(suspicions.trusted([0, 1, 2, 3])).toEqual([0, 1, 2]);
});

test("Suspicions take back what is not said any more", () => {
  const suspicions = new Suspicions();
  expect(suspicions.hear(3, [1], [2])).toBe(true);
  expect(suspicions.hear(3, [1], [2])).toBe(false);
  expect(suspicions.hear(3, [], [])).toBe(true);
  expect(suspicions.trusted([0, 1, 3])).toEqual([0, 1, 3]);
  expect([...suspicions.gone]).toEqual([2]);
});
