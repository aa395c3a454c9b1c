// Whether the certificate that the other side has shown makes it a peer, and if not, why. Runtimes say
// little (Deno calls an expired one unverifiable), so the reason is read from the certificate itself.
import { PEER_ROLE } from "./peer_role.ts";

/** What TLS found out about the other side, in the words of node:tls. */
export interface Presented {
  /** Whether the certificate is of our authority, for this use, now, and its key is held there. */
  readonly authorized: boolean;
  /** "TLSv1.3" */
  readonly protocol: string | null;
  /** Undefined or without fields where none was shown. */
  readonly certificate: Certificate | undefined;
}

interface Certificate {
  readonly subject?: { readonly CN?: string | string[] };
  readonly subjectaltname?: string;
  readonly valid_from?: string;
  readonly valid_to?: string;
}

/** The name that is proven, or the reason for which the other side is no peer. */
export type Judgement = { readonly name: string } | { readonly refusal: string };

/** What is wrong with a certificate, and what to do. */
export interface Fault {
  readonly problem: string;
  readonly remedy: string;
}

const REMEDY = "make one with weft cluster certificates";

const FOREIGN: Fault = {
  problem: "is of another authority",
  remedy: "make those of all peers with one and the same ca.pem",
};

/** Both sides read a refusal: the one that refuses, and the one that is told why. */
export function judgeCertificate({ authorized, protocol, certificate }: Presented): Judgement {
  if (protocol !== "TLSv1.3") return { refusal: `${protocol} is spoken instead of TLSv1.3` };
  const name = certificate?.subject?.CN;
  if (!certificate?.valid_to || typeof name !== "string") {
    return { refusal: `no certificate was shown; ${REMEDY}` };
  }
  const { subjectaltname, valid_from = "", valid_to } = certificate;
  const fault =
    (authorized ? undefined : faultOfDates(valid_from, valid_to)) ??
    faultOfRole(subjectaltname) ??
    (authorized ? undefined : FOREIGN);
  if (!fault) return { name };
  const shown = JSON.stringify(name.slice(0, 64));
  return { refusal: `the certificate ${shown} ${fault.problem}; ${fault.remedy}` };
}

/** Certificates of the same authority may serve something else. */
export function faultOfRole(subjectAltName = ""): Fault | undefined {
  if (subjectAltName.split(", ").includes(`DNS:${PEER_ROLE}`)) return undefined;
  return { problem: `is not a peer's (it lacks the name DNS:${PEER_ROLE})`, remedy: REMEDY };
}

export function faultOfDates(from: string, to: string): Fault | undefined {
  if (Date.parse(to) < Date.now()) {
    const remedy = "make a new one, or check the clocks of both machines";
    return { problem: `expired on ${to}`, remedy };
  }
  if (Date.parse(from) > Date.now()) {
    return { problem: `holds only from ${from} on`, remedy: "check the clocks of both machines" };
  }
  return undefined;
}
