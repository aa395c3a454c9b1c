/** Peers came or went, or are out of reach: what was under way is void, and nothing was updated. */
export class ViewChanged extends Error {
  constructor() {
    super("the members of the cluster have changed");
    this.name = "ViewChanged";
  }
}
