import { UserError } from "./user_error.ts";

/**
 * Not a mistake, but something that may go better another time: other peers did not come, or have failed.
 * The command line prints it as a UserError and exits with 75, so that a scheduler can tell the two apart.
 */
export class TemporaryFailure extends UserError {
  constructor(detail: UserError["detail"]) {
    super(detail);
    this.name = "TemporaryFailure";
  }
}
