// Certificates for tests, good and bad.
import {
  type Identity,
  issueAuthority,
  issueCertificate,
  type Period,
} from "../../../cluster/certificates/issue.ts";
import { PEER_ROLE } from "../../../cluster/transport/peer_role.ts";
import type { TlsIdentity } from "../../../cluster/transport/security.ts";

const DAY = 24 * 3600 * 1000;

/** From so many days before or after now, to so many. */
export const days = (from: number, to: number) => ({
  from: new Date(Date.now() + from * DAY),
  to: new Date(Date.now() + to * DAY),
});

export const authority = issueAuthority("weft cluster", days(-2, 2));

interface Options {
  readonly period?: Period;
  readonly by?: Identity;
  readonly role?: string;
}

/** What a peer of our cluster has, or somebody who would like to be one. */
export function identityOf(name: string, options: Options = {}): TlsIdentity {
  const { period = days(-1, 1), by = authority, role = PEER_ROLE } = options;
  return { ...issueCertificate(name, role, by, period), ca: authority.cert };
}
