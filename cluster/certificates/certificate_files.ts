import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../src/config/user_error.ts";
import type { Identity } from "./issue.ts";

/** The certificates and keys of a folder, each pair under one name. Nothing is ever replaced. */
export class CertificateFiles {
  constructor(private readonly folder: string) {}

  /** Where the certificate of that name lies. */
  path(name: string): string {
    return join(this.folder, `${name}.pem`);
  }

  /** Where its private key lies. */
  keyPath(name: string): string {
    return join(this.folder, `${name}-key.pem`);
  }

  /** The file of that name which is there already, if one is. */
  existing(name: string): string | undefined {
    return [this.path(name), this.keyPath(name)].find((path) => existsSync(path));
  }

  /** @throws UserError if one of the two files is missing, or cannot be read. */
  async read(name: string): Promise<Identity | undefined> {
    if (!this.existing(name)) return undefined;
    const [cert, key] = await Promise.all([this.path(name), this.keyPath(name)].map(readText));
    return { cert, key };
  }

  /** Writes both files; the key for its owner's eyes only. @throws UserError if that fails. */
  async write(name: string, { cert, key }: Identity): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      await writeFile(this.keyPath(name), key, { flag: "wx", mode: 0o600 });
      await writeFile(this.path(name), cert, { flag: "wx", mode: 0o644 });
    } catch (error) {
      throw new UserError({
        place: this.path(name),
        problem: `cannot be written (${codeOf(error)})`,
        remedy: "see to the folder's permissions and space, or give another folder",
      });
    }
  }
}

function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error) => {
    throw new UserError({
      place: path,
      problem: `cannot be read (${codeOf(error)})`,
      remedy: "put both files of the authority there, or begin in another folder",
    });
  });
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : String(error);
}
