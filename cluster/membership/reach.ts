// Whom of its view a peer reaches and trusts, and whether those can decide what follows the view.
import type { KnownViews } from "./known_views.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Suspicions } from "./suspicions.ts";
import { isQuorum, ranksOf } from "./view.ts";

export interface ReachParts {
  /** This peer's rank. */
  readonly self: number;
  readonly views: KnownViews;
  readonly neighbours: Neighbours;
  readonly suspicions: Suspicions;
  /** Whether a register decides, so that no majority is needed. */
  readonly hasRegister: boolean;
}

export class Reach {
  constructor(private readonly parts: ReachParts) {}

  /** Members of the view that are there and have not moved on to a later one, this one included. */
  all(): number[] {
    const { views, neighbours, self } = this.parts;
    return views.own ? [...ranksOf(neighbours.livingOf(views.own)), self] : [];
  }

  /** Members of the view that can still decide with this one, itself included, in order of rank. */
  live(): number[] {
    return this.parts.suspicions.trusted(this.all()).sort((a, b) => a - b);
  }

  mayDecide(live: readonly number[]): boolean {
    const { views, suspicions, hasRegister } = this.parts;
    const { own: view } = views;
    if (!view || views.isOutside || !live.some((rank) => views.has(rank))) return false;
    return hasRegister || isQuorum(view, new Set(live), suspicions.gone);
  }

  /** Why these can decide nothing. */
  whyNot(live: readonly number[]): string {
    const { views } = this.parts;
    if (views.isOutside) return "the others go on without this peer";
    const reach = `only ${live.length} of the last ${views.own?.members.length} members are in reach`;
    const isStateThere = live.some((rank) => views.has(rank));
    return isStateThere ? reach : `${reach}, and none of them has the whole state`;
  }
}
