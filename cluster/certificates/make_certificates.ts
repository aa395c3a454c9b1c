// A folder with a certificate authority of one's own and the certificates it made:
//
//    ca.pem           what every peer gets, to know the others by
//    ca-key.pem       makes further peers; needed nowhere else, and whoever has it can join
//    NAME.pem         what the peer NAME shows
//    NAME-key.pem     what proves that the certificate is its own
import { createPrivateKey, X509Certificate } from "node:crypto";
import { UserError } from "../../src/config/user_error.ts";
import { PEER_ROLE } from "../transport/peer_role.ts";
import { CertificateFiles } from "./certificate_files.ts";
import { type Identity, issueAuthority, issueCertificate, type Period } from "./issue.ts";
import { readPem } from "./read_pem.ts";

export interface CertificateRequest {
  readonly folder: string;
  /** Names of peers to make certificates for. */
  readonly peers: readonly string[];
  /** How long these hold. */
  readonly days: number;
}

export interface MadeCertificates {
  /** Whether there was no authority before. */
  readonly newAuthority: boolean;
  /** When the certificates expire: those of the peers never after that of the authority. */
  readonly until: Date;
}

const DAY = 24 * 3600 * 1000;

const AUTHORITY = "ca";

/** The authority outlives its peers, so that they can be replaced one by one. */
const AUTHORITY_DAYS = 3650;

/** Clocks of peers may be behind ours by that much. */
const CLOCK_SKEW = 3600 * 1000;

/** Files are named after peers; "ca" and what ends in "-key" are names of other files. */
const NAME = /^(?!ca$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?<!-key)$/;

/**
 * Makes certificates for peers, and before that the authority if the folder has none.
 * @throws UserError if a name is no peer's or has a certificate there already, before anything is
 *   written; if the folder's authority is no longer of use; if files cannot be read or written.
 */
export async function makeCertificates(request: CertificateRequest): Promise<MadeCertificates> {
  const files = new CertificateFiles(request.folder);
  const names = new Set(request.peers);
  for (const name of names) checkName(name, files);
  const found = await files.read(AUTHORITY);
  const authority = found ?? issueAuthority("weft cluster", fromNow(AUTHORITY_DAYS));
  const last = expiryOf(authority, files.path(AUTHORITY));
  if (!found) await files.write(AUTHORITY, authority);
  const { from, to } = fromNow(request.days);
  const period = { from, to: new Date(Math.min(to.getTime(), last)) };
  for (const name of names) {
    await files.write(name, issueCertificate(name, PEER_ROLE, authority, period));
  }
  return { newAuthority: !found, until: period.to };
}

const fromNow = (days: number): Period => ({
  from: new Date(Date.now() - CLOCK_SKEW),
  to: new Date(Date.now() + days * DAY),
});

/** @throws UserError if no certificate can be made under that name. */
function checkName(name: string, files: CertificateFiles): void {
  if (!NAME.test(name)) {
    throw new UserError({
      place: "--peers",
      problem: `${JSON.stringify(name)} cannot be the name of a peer`,
      remedy: 'use letters, digits, ".", "_" and "-"; not "ca", and nothing that ends in "-key"',
    });
  }
  const existing = files.existing(name);
  if (existing) {
    throw new UserError({
      place: existing,
      problem: `the peer ${name} has a certificate there already`,
      remedy: `delete ${files.path(name)} and ${files.keyPath(name)} to make it anew`,
    });
  }
}

/** When an authority expires. @throws UserError if it cannot make certificates any more. */
function expiryOf({ cert, key }: Identity, place: string): number {
  const authority = readPem(place, "certificate", () => new X509Certificate(cert));
  const privateKey = readPem(place, "private key", () => createPrivateKey(key));
  const last = Date.parse(authority.validTo);
  const problem = !authority.checkPrivateKey(privateKey)
    ? "its certificate and its private key do not belong together"
    : last < Date.now()
      ? `this authority expired on ${authority.validTo}`
      : undefined;
  if (problem) throw new UserError({ place, problem, remedy: ELSEWHERE });
  return last;
}

const ELSEWHERE = "make a new authority, and certificates for all peers, in another folder";
