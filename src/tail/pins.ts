import fs from "node:fs";
import { join } from "node:path";
import { AuditshipError, makeDirectorySync } from "../plugin/index.js";
import type { Descriptor } from "./descriptor.js";
import type { Reports } from "./reports.js";

/** `<ordinal>-<fingerprint>[.gz]`; the ordinal preserves the order in case the file table is lost. */
const NAME = /^(-?\d+)-([0-9a-f]{64})(\.gz)?$/;

/** A hard link to a file of the log. */
interface Pin {
  readonly name: string;
  readonly gzip: boolean;
}

/** A file of the log to pin: its fingerprint and current name. */
export interface Pinnable {
  readonly fingerprint: string;
  readonly ordinal: number;
  readonly path: string;
  readonly gzip: boolean;
  /** Whether the link leads to the file that is meant, because the name may have passed to another file. */
  isIt(stat: fs.Stats): boolean;
}

/**
 * Hard links to the files of a log that somebody still has to read: rotation removes their names, but not their bytes. They are in
 * a directory on the same file system.
 */
export class Pins {
  readonly #directory: string;
  readonly #open: (path: string) => Descriptor;
  readonly #reports: Reports;
  readonly #pins = new Map<string, Pin>();
  /** Why nothing can be pinned; undefined if pinning works. */
  refusal: AuditshipError | undefined;

  private constructor(directory: string, open: (path: string) => Descriptor, reports: Reports) {
    this.#directory = directory;
    this.#open = open;
    this.#reports = reports;
  }

  /** Makes the directory, or says in `refusal` why it cannot be used for the log in `logDirectory`. */
  static prepare(directory: string, logDirectory: string, open: (path: string) => Descriptor, reports: Reports): Pins {
    const pins = new Pins(directory, open, reports);
    try {
      makeDirectorySync(directory);
      for (const name of fs.readdirSync(directory)) pins.#note(name);
      if (fs.statSync(directory).dev !== fs.statSync(logDirectory).dev) pins.#refuse("it is on another file system");
    } catch (error) {
      pins.#refuse((error as Error).message);
    }
    return pins;
  }

  has(fingerprint: string): boolean {
    return this.#pins.has(fingerprint);
  }

  /** Fingerprints in the log's order at the time of pinning, beginning at an ordinal of that time. */
  fingerprints(from = Number.NEGATIVE_INFINITY): string[] {
    const ordinal = (name: string) => Number(NAME.exec(name)![1]);
    return [...this.#pins]
      .filter(([, { name }]) => ordinal(name) >= from)
      .sort(([, a], [, b]) => ordinal(a.name) - ordinal(b.name))
      .map(([fingerprint]) => fingerprint);
  }

  /** Pins a file; a `.gz` replaces the plain file. If it fails, the next call tries again. */
  pin({ fingerprint, ordinal, path, gzip, isIt }: Pinnable): void {
    const before = this.#pins.get(fingerprint);
    if (this.refusal || (before && before.gzip === gzip)) return;
    const name = `${ordinal}-${fingerprint}${gzip ? ".gz" : ""}`;
    const link = join(this.#directory, name);
    try {
      fs.linkSync(path, link);
      if (!isIt(fs.statSync(link))) {
        fs.unlinkSync(link);
        return;
      }
      this.#pins.set(fingerprint, { name, gzip });
      if (before) this.#unlink(before.name);
      this.#reports.resolve(this.#directory, "pin");
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
  }

  /** Opens a pinned file; undefined if it is not pinned. Throws the system's errors. */
  open(fingerprint: string): { descriptor: Descriptor; gzip: boolean } | undefined {
    const pin = this.#pins.get(fingerprint);
    if (!pin) return undefined;
    try {
      return { descriptor: this.#open(join(this.#directory, pin.name)), gzip: pin.gzip };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.#pins.delete(fingerprint);
      return undefined;
    }
  }

  /** Bytes of a pinned file on disk. */
  size(fingerprint: string): number {
    const pin = this.#pins.get(fingerprint);
    return (pin && fs.statSync(join(this.#directory, pin.name), { throwIfNoEntry: false })?.size) ?? 0;
  }

  /** The size of a pinned file if that is a plain one. */
  plainSize(fingerprint: string): number | undefined {
    return this.#pins.get(fingerprint)?.gzip === false ? this.size(fingerprint) : undefined;
  }

  release(fingerprint: string): void {
    const pin = this.#pins.get(fingerprint);
    if (!pin) return;
    this.#pins.delete(fingerprint);
    this.#unlink(pin.name);
  }

  #note(name: string): void {
    const match = NAME.exec(name);
    if (!match) return;
    // The process ended after it linked the compressed file and before it released the plain one.
    const other = this.#pins.get(match[2]);
    if (other) this.#unlink(other.name);
    this.#pins.set(match[2], { name, gzip: match[3] !== undefined });
  }

  #unlink(name: string): void {
    try {
      fs.unlinkSync(join(this.#directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#failed(error as NodeJS.ErrnoException);
    }
  }

  #failed(error: NodeJS.ErrnoException): void {
    // The file went away before it could be linked.
    if (error.code === "ENOENT" && fs.existsSync(this.#directory)) return;
    // For link(2), two mounts of one file system are two file systems.
    if (error.code === "EXDEV") this.#refuse("it is on another file system, or another mount of the same");
    const what = "An audit file cannot be pinned; trying again. If rotation deletes it before it is read, it is lost.";
    this.#reports.complain("pin", this.#directory, what, error);
  }

  #refuse(why: string): void {
    const help =
      "Set pinDirectory to a directory that the agent may write to in the same mount as the log, or leave pin out.";
    const message = `audit files cannot be pinned in ${this.#directory}: ${why}. ${help}`;
    this.refusal = new AuditshipError("AUDITSHIP_SOURCE_PIN", message);
  }
}
