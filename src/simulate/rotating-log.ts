import { closeSync, createReadStream, createWriteStream, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { chmod, readdir, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { makeDirectorySync } from "../plugin/make-directory.js";

export interface RotationOptions {
  /** The active file, such as `…/audit.log`. */
  path: string;
  /** Bytes that no file exceeds. */
  maxSize: number;
  /** Backups that are kept, plain and gzipped ones of one name counted once; 0 keeps all. */
  maxBackups: number;
  compress: boolean;
}

/**
 * A file that rotates as kube-apiserver's does (lumberjack 2.2): one write per event; when the next one would not fit, the
 * file is closed and renamed to `audit-<UTC milliseconds>.log` and a new one begun; then, beside the writing, backups beyond
 * `maxBackups` are deleted and the others gzipped in place. A file that is there is continued.
 */
export class RotatingLog {
  readonly #options: RotationOptions;
  readonly #prefix: string;
  readonly #extension: string;
  #descriptor: number | undefined;
  #size = 0;
  #mill: Promise<void> = Promise.resolve();
  /** Files written to. */
  files = 0;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#extension = extname(options.path);
    this.#prefix = `${basename(options.path, this.#extension)}-`;
  }

  /** Appends one line with one write. False if it is longer than a file may be: lumberjack refuses it, and it is lost. */
  write(line: Uint8Array): boolean {
    const { maxSize } = this.#options;
    if (line.length > maxSize) return false;
    if (this.#descriptor === undefined) this.#continue(line.length);
    else if (this.#size + line.length > maxSize) this.#rotate();
    writeSync(this.#descriptor!, line);
    this.#size += line.length;
    return true;
  }

  /** Waits until deleting and compressing are done. */
  async close(): Promise<void> {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    await this.#mill;
  }

  #continue(next: number): void {
    makeDirectorySync(dirname(this.#options.path));
    this.#open("a");
    if (this.#size > 0 && this.#size + next >= this.#options.maxSize) this.#rotate();
    else this.#startMill();
  }

  #rotate(): void {
    closeSync(this.#descriptor!);
    const time = new Date().toISOString().slice(0, -1).replaceAll(":", "-");
    renameSync(this.#options.path, join(dirname(this.#options.path), `${this.#prefix}${time}${this.#extension}`));
    this.#open("w");
    this.#startMill();
  }

  #open(flags: "a" | "w"): void {
    this.#descriptor = openSync(this.#options.path, flags, 0o600);
    this.#size = fstatSync(this.#descriptor).size;
    this.files++;
  }

  /** One after the other; like lumberjack, what fails is left for the next time. */
  #startMill(): void {
    this.#mill = this.#mill.then(() => this.#deleteAndCompress()).catch(() => {});
  }

  async #deleteAndCompress(): Promise<void> {
    const directory = dirname(this.#options.path);
    const { maxBackups, compress } = this.#options;
    const files = (await readdir(directory)).filter((name) => this.#isBackup(name));
    const names = [...new Set(files.map((name) => name.replace(/\.gz$/, "")))].sort().reverse();
    const kept = new Set(maxBackups > 0 ? names.slice(0, maxBackups) : names);
    for (const file of files) {
      if (!kept.has(file.replace(/\.gz$/, ""))) await rm(join(directory, file), { force: true });
      else if (compress && !file.endsWith(".gz")) await gzip(join(directory, file));
    }
  }

  #isBackup(name: string): boolean {
    const plain = name.replace(/\.gz$/, "");
    if (!plain.startsWith(this.#prefix) || !plain.endsWith(this.#extension)) return false;
    const time = plain.slice(this.#prefix.length, plain.length - this.#extension.length);
    return /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(time);
  }
}

/** Straight into the final name, then the plain file goes: lumberjack makes no temporary file. */
async function gzip(path: string): Promise<void> {
  await pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`, { mode: 0o600 }));
  await chmod(`${path}.gz`, 0o600);
  await rm(path);
}
