import { createPrivateKey, X509Certificate } from "node:crypto";
import { UserError } from "../../src/config/user_error.ts";
import { readPem } from "../certificates/read_pem.ts";
import { type Fault, faultOfDates, faultOfRole } from "./judge_certificate.ts";
import type { TlsIdentity } from "./security.ts";

const OTHER_KEY: Fault = {
  problem: "does not belong to the private key",
  remedy: "give the certificate and the key of one and the same peer",
};

const OTHER_AUTHORITY: Fault = {
  problem: "is not signed by the authority that was given",
  remedy: "give the ca.pem that it was made with",
};

/**
 * Looks at our own certificate before others do.
 * @throws UserError if no other peer could believe it.
 */
export function checkIdentity({ cert, key, ca }: TlsIdentity): void {
  const [own, ...chain] = certificatesIn(cert, "the certificate");
  const authorities = certificatesIn(ca, "the authority's certificate");
  const top = chain.at(-1) ?? own;
  const fault =
    faultOfDates(own.validFrom, own.validTo) ??
    faultOfRole(own.subjectAltName) ??
    (own.checkPrivateKey(privateKeyIn(key)) ? undefined : OTHER_KEY) ??
    (authorities.some(({ publicKey }) => top.verify(publicKey)) ? undefined : OTHER_AUTHORITY);
  if (fault)
    throw new UserError({ place: `the certificate ${JSON.stringify(own.subject)}`, ...fault });
}

function certificatesIn(text: string, place: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [text];
  return blocks.map((block) => readPem(place, "certificate", () => new X509Certificate(block)));
}

const privateKeyIn = (text: string) =>
  readPem("the private key", "private key", () => createPrivateKey(text));
