/** This peer was told to stop while it waited for the others. */
export class Cancelled extends Error {
  constructor() {
    super("told to stop while waiting for the other peers");
    this.name = "Cancelled";
  }
}
