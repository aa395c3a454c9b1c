// X.509 certificates: an authority that belongs to one cluster, and one for each of its peers.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** A certificate and its private key, as PEM texts. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** When a certificate holds. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

const COMMON_NAME = "2.5.4.3";
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/** A new certificate authority, which signs itself. */
export function issueAuthority(name: string, period: Period): Identity {
  const key = newKey();
  const subject = nameOf(name);
  const extensions = [
    extension(
      id_ce_basicConstraints,
      new BasicConstraints({ cA: true, pathLenConstraint: 0 }),
      true,
    ),
    extension(
      id_ce_keyUsage,
      new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
      true,
    ),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(identifierOf(key))),
  ];
  return issue({ subject, issuer: subject, key, signer: key, period, extensions });
}

/**
 * A certificate with which the holder proves its name, whether it dials or is dialled.
 * @param role what it serves for: a DNS name of the certificate, beside the holder's own name.
 */
export function issueCertificate(
  name: string,
  role: string,
  authority: Identity,
  period: Period,
): Identity {
  const key = newKey();
  const signer = createPrivateKey(authority.key);
  const issuer = AsnConvert.parse(new X509Certificate(authority.cert).raw, Certificate);
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints(), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
    extension(
      id_ce_subjectAltName,
      new SubjectAlternativeName([new GeneralName({ dNSName: role })]),
    ),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(identifierOf(key))),
    extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(identifierOf(signer)) }),
    ),
  ];
  const subject = nameOf(name);
  return issue({ subject, issuer: issuer.tbsCertificate.subject, key, signer, period, extensions });
}

const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

function publicKeyOf(key: KeyObject): SubjectPublicKeyInfo {
  const der = createPublicKey(key).export({ type: "spki", format: "der" });
  return AsnConvert.parse(der, SubjectPublicKeyInfo);
}

/** RFC 5280, 4.2.1.2: SHA-1 of the public key, a label and no protection. */
function identifierOf(key: KeyObject): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(publicKeyOf(key).subjectPublicKey);
  return new Uint8Array(createHash("sha1").update(bits).digest());
}

function nameOf(name: string): Name {
  const value = new AttributeValue({ utf8String: name });
  return new Name([
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })]),
  ]);
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({
    extnID,
    critical,
    extnValue: new OctetString(AsnConvert.serialize(value)),
  });
}

interface Content {
  readonly subject: Name;
  readonly issuer: Name;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly period: Period;
  readonly extensions: Extension[];
}

function issue({ subject, issuer, key, signer, period, extensions }: Content): Identity {
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and no leading zero
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: new Uint8Array(serial).buffer,
    signature: algorithm,
    issuer,
    validity: new Validity({ notBefore: period.from, notAfter: period.to }),
    subject,
    subjectPublicKeyInfo: publicKeyOf(key),
    extensions: new Extensions(extensions),
  });
  const signatureValue = sign(
    "sha256",
    new Uint8Array(AsnConvert.serialize(tbsCertificate)),
    signer,
  );
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: new Uint8Array(signatureValue).buffer,
  });
  const der = Buffer.from(AsnConvert.serialize(certificate));
  return {
    cert: pem("CERTIFICATE", der),
    key: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
