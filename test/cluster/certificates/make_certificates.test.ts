import { afterAll, expect, test } from "bun:test";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificates } from "../../../cluster/certificates/make_certificates.ts";
import { openTransport } from "../../../cluster/transport/open_transport.ts";
import { clusterCertificates } from "../../../src/cli/cluster_certificates.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { recordingTerminal } from "../../cli/recording_terminal.ts";
import { connectPair } from "../transport/pair.ts";

const scratch = mkdtempSync(join(tmpdir(), "weft-certificates-"));
afterAll(() => rmSync(scratch, { recursive: true }));

let folders = 0;
const newFolder = (): string => join(scratch, `${folders++}`, "new");

const text = (folder: string, name: string): string => readFileSync(join(folder, name), "utf8");

const certificate = (folder: string, name: string): X509Certificate =>
  new X509Certificate(text(folder, `${name}.pem`));

const DAY = 24 * 3600 * 1000;

test("makeCertificates() writes an authority and a certificate with its key for each peer", async () => {
  const folder = newFolder();
  const { newAuthority, until } = await makeCertificates({ folder, peers: ["a", "b-2"], days: 30 });
  expect(newAuthority).toBe(true);
  const files = ["a-key.pem", "a.pem", "b-2-key.pem", "b-2.pem", "ca-key.pem", "ca.pem"];
  expect(readdirSync(folder).sort()).toEqual(files);
  const authority = certificate(folder, "ca");
  expect(authority.ca).toBe(true);
  for (const name of ["a", "b-2"]) {
    const peer = certificate(folder, name);
    expect(peer.subject).toBe(`CN=${name}`);
    expect(peer.verify(authority.publicKey)).toBe(true);
    expect(peer.checkPrivateKey(createPrivateKey(text(folder, `${name}-key.pem`)))).toBe(true);
    expect(Date.parse(peer.validFrom)).toBeLessThan(Date.now() - DAY / 48);
    expect(Math.abs(Date.parse(peer.validTo) - until.getTime())).toBeLessThan(1000);
  }
  expect(Math.abs(until.getTime() - Date.now() - 30 * DAY)).toBeLessThan(60_000);
});

test("only the owner may read private keys", async () => {
  const folder = newFolder();
  await makeCertificates({ folder, peers: ["a"], days: 1 });
  for (const key of ["ca-key.pem", "a-key.pem"]) {
    expect(statSync(join(folder, key)).mode & 0o777).toBe(0o600);
  }
});

test("an authority that is there makes further certificates, and stays as it is", async () => {
  const folder = newFolder();
  await makeCertificates({ folder, peers: ["a"], days: 1 });
  const before = text(folder, "ca.pem");
  const { newAuthority } = await makeCertificates({ folder, peers: ["b"], days: 1 });
  expect(newAuthority).toBe(false);
  expect(text(folder, "ca.pem")).toBe(before);
  const ca = before;
  const [a, b] = ["a", "b"].map((name) =>
    openTransport({
      kind: "tls",
      ca,
      cert: text(folder, `${name}.pem`),
      key: text(folder, `${name}-key.pem`),
    }),
  );
  const pair = await connectPair(a, b);
  expect([pair.dialler.proven, pair.acceptor.proven]).toEqual(["a", "b"]);
  pair.close();
});

test("no certificate outlives its authority", async () => {
  const folder = newFolder();
  const { until } = await makeCertificates({ folder, peers: ["a"], days: 100_000 });
  expect(until.getTime()).toBe(Date.parse(certificate(folder, "ca").validTo));
});

test("a peer's certificate is not replaced, and then none is made", async () => {
  const folder = newFolder();
  await makeCertificates({ folder, peers: ["a"], days: 1 });
  const again = makeCertificates({ folder, peers: ["b", "a"], days: 1 });
  const { message } = await again.catch((error) => error);
  expect(message).toContain("a.pem: the peer a has a certificate there already");
  expect(message).toContain("a-key.pem to make it anew");
  expect(readdirSync(folder)).not.toContain("b.pem");
});

test("an authority without its key, or with another one's, makes nothing", async () => {
  const [folder, other] = [newFolder(), newFolder()];
  for (const each of [folder, other])
    await makeCertificates({ folder: each, peers: ["a"], days: 1 });
  const more = () => makeCertificates({ folder, peers: ["b"], days: 1 }).catch((error) => error);
  writeFileSync(join(folder, "ca-key.pem"), text(other, "ca-key.pem"));
  expect((await more()).message).toContain("do not belong together");
  writeFileSync(join(folder, "ca-key.pem"), "junk");
  expect((await more()).message).toContain("cannot be read as a private key");
  rmSync(join(folder, "ca-key.pem"));
  expect((await more()).message).toContain("ca-key.pem: cannot be read (ENOENT)");
});

test("names that are no file names, or those of other files, are refused", async () => {
  for (const name of ["ca", "a-key", "../a", "", "a b", "a/b", "x".repeat(64)]) {
    const made = makeCertificates({ folder: newFolder(), peers: [name], days: 1 });
    const { message } = await made.catch((error) => error);
    expect(message).toContain(`${JSON.stringify(name)} cannot be the name of a peer`);
  }
});

test("a folder that cannot be written is named", async () => {
  const file = join(scratch, "file");
  writeFileSync(file, "");
  const made = makeCertificates({ folder: join(file, "sub"), peers: ["a"], days: 1 });
  expect((await made.catch((error) => error)).message).toContain("cannot be written (ENOTDIR)");
});

test("weft cluster certificates says what it made and for how long", async () => {
  const folder = newFolder();
  const { terminal, stdout } = recordingTerminal();
  const words = ["cluster", "certificates", "--out", folder, "--peers", "a,b", "--days", "2"];
  expect(await runProgram(words, [clusterCertificates], terminal)).toBe(0);
  expect(stdout.text).toContain("a new authority; keep ca-key.pem to yourself");
  expect(stdout.text).toMatch(/certificates of a, b, until \d{4}-\d\d-\d\d/);
});
