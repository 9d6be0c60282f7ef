import fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { LogName } from "../../src/tail/name.js";

export interface LumberjackOptions {
  /** Bytes after which the next write rotates; never by itself if left out. */
  maxSize?: number;
  /** Backups kept by {@link Lumberjack.mill}; all if left out. */
  maxBackups?: number;
  /** Milliseconds after which {@link Lumberjack.mill} deletes a backup, by the time in its name; never if left out. */
  maxAge?: number;
  /** {@link Lumberjack.mill} compresses what it keeps. */
  compress?: boolean;
  /** Epoch milliseconds; stands in the names. */
  now?: () => number;
}

/**
 * A writer with lumberjack 2.2's semantics, every system call its own step: rotation is close, rename, create; the mill
 * deletes, then compresses in place under the final name and removes the plain file. Two rotations in one millisecond
 * overwrite each other, as they do there. Generators stop between any two steps; {@link run} goes through.
 */
export class Lumberjack {
  readonly name: LogName;
  readonly directory: string;
  readonly #options: LumberjackOptions;
  #fd: number | undefined;
  #size = 0;
  #created = 0;

  constructor(
    readonly path: string,
    options: LumberjackOptions = {},
  ) {
    this.#options = options;
    this.directory = dirname(path);
    this.name = new LogName(basename(path));
  }

  /** Bytes of the active file; where the next write goes, if it fits. */
  get size(): number {
    if (this.#fd === undefined) this.#openExistingOrNew();
    return this.#size;
  }

  /** Files that were begun so far. */
  get created(): number {
    return this.#created;
  }

  /** True if so many bytes can be written without a rotation. */
  fits(bytes: number): boolean {
    return this.size + bytes <= (this.#options.maxSize ?? Number.POSITIVE_INFINITY);
  }

  /** Writes bytes in one call, after a rotation if they do not fit. */
  write(data: string | Uint8Array): void {
    const bytes = Buffer.from(data as string);
    if (!this.fits(bytes.length)) this.rotate();
    fs.writeSync(this.#fd!, bytes);
    this.#size += bytes.length;
  }

  /** Rotates; returns the backup's name. */
  rotate(): string {
    return run(this.rotation());
  }

  *rotation(): Generator<"closed" | "renamed", string> {
    this.close();
    yield "closed";
    const backup = this.name.format((this.#options.now ?? Date.now)());
    if (fs.existsSync(this.path)) fs.renameSync(this.path, join(this.directory, backup));
    yield "renamed";
    // Without O_APPEND, as lumberjack's openNew has it.
    this.#fd = fs.openSync(this.path, fs.constants.O_CREAT | fs.constants.O_WRONLY | fs.constants.O_TRUNC, 0o600);
    this.#size = 0;
    this.#created++;
    return backup;
  }

  /** Deletes beyond maxBackups and maxAge, then compresses. */
  mill(): void {
    for (const base of this.surplus()) this.delete(base);
    if (this.#options.compress) for (const base of this.backups()) run(this.compression(base));
  }

  /** Backups that the mill deletes next, oldest first. */
  surplus(): string[] {
    const { maxBackups, maxAge, now = Date.now } = this.#options;
    const bases = this.backups();
    const tooMany = Math.max(0, bases.length - (maxBackups ?? bases.length));
    const cutoff = maxAge === undefined ? Number.NEGATIVE_INFINITY : now() - maxAge;
    return bases.filter((base, i) => i < tooMany || this.name.parse(base)!.time < cutoff);
  }

  /** `begun`: half of the `.gz` is there; `written`: all of it, and the plain file still. */
  *compression(base: string): Generator<"begun" | "written", void> {
    const plain = join(this.directory, base);
    if (!fs.existsSync(plain)) return;
    const compressed = gzipSync(fs.readFileSync(plain));
    const half = compressed.length >> 1;
    const fd = fs.openSync(`${plain}.gz`, "w", 0o600);
    fs.writeSync(fd, compressed.subarray(0, half));
    yield "begun";
    fs.writeSync(fd, compressed.subarray(half));
    fs.closeSync(fd);
    yield "written";
    fs.unlinkSync(plain);
  }

  /** Names of the backups as plain files, oldest first; a plain file and its `.gz` count once. */
  backups(): string[] {
    const found = fs.readdirSync(this.directory).map((name) => this.name.parse(name));
    const bases = new Map(found.filter((backup) => backup !== undefined).map((backup) => [backup.base, backup.time]));
    return [...bases.keys()].sort((a, b) => bases.get(a)! - bases.get(b)!);
  }

  delete(base: string): void {
    for (const name of [base, `${base}.gz`]) fs.rmSync(join(this.directory, name), { force: true });
  }

  /** Closes the file; the next write opens it again, appending. */
  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #openExistingOrNew(): void {
    fs.mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    if (!fs.existsSync(this.path)) this.#created++;
    this.#fd = fs.openSync(this.path, "a", 0o600);
    this.#size = fs.fstatSync(this.#fd).size;
  }
}

/** Goes through all steps. */
export function run<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value as T;
  }
}
