import { AuditshipError, type ByteRange, type FileRef, type Loss } from "../plugin/index.js";
import { shortFingerprint } from "./fingerprint.js";
import { type Mark, thinned } from "./marks.js";

/** Written into the state. It is raised when the meaning of the state changes. */
const VERSION = 1;

/** One file of the log, as it was last seen. */
export interface LogFile {
  readonly ref: FileRef;
  /** Name of the plain backup (also for a `.gz`); undefined while it is the active file. */
  base?: string;
  /** The time in that name, epoch milliseconds. */
  rotated?: number;
  /** Decompressed bytes seen. */
  size: number;
  /** The size was seen, not guessed from a `.gz`. */
  exact: boolean;
  /**
   * An estimate of the bytes by which it may have grown. Set if it was being written to when its size was last seen, and has been
   * compressed since.
   */
  grown?: number;
  /** Rotated or replaced: nothing more will be written to it. */
  finished: boolean;
  /** Set once the file is missing. */
  gone?: "deleted" | "overwritten";
  /** Bytes read by the fastest reader; whatever is written after them is new to all readers. */
  read?: number;
  /** Checksums of what was read, to recognise it later, while the file is being written to. In order. */
  readonly marks: Mark[];
  /** Bytes from here on have been reported as lost. */
  lostFrom?: number;
  /** Time of the last event read, epoch milliseconds. */
  lastEvent?: number;
  /** `device:inode:bytes:mtime` under its last name: a backup with the same hint needs no look inside. */
  hint?: string;
}

/** What is known about a file when it is added to the table. */
export interface NewFile extends Omit<LogFile, "ref" | "marks"> {
  fingerprint: string;
  time: number;
}

export interface LoseOptions {
  reason?: Loss["reason"];
  /** Bytes that were delivered nevertheless; the ranges do not overlap. */
  done?: readonly ByteRange[];
}

interface StoredFile extends NewFile {
  ordinal: number;
  marks?: Mark[];
}

/**
 * Every file of the log from the oldest position on that somebody needs, in reading order. Order and losses are computed from it,
 * also after a restart.
 */
export class FileTable {
  /** Short fingerprints of the backups before the restored files, which nobody needs. Undefined if the state does not say. */
  #done: ReadonlySet<string> | undefined;
  /** By ordinal. */
  #files: LogFile[] = [];
  readonly #byFingerprint = new Map<string, LogFile>();

  /** Throws AUDITSHIP_STATE_FORMAT if `state` was not made by {@link toState}. */
  static restore(state: object | undefined): FileTable {
    const table = new FileTable();
    if (state === undefined) return table;
    const { version, files, done } = state as { version?: unknown; files?: unknown; done?: unknown };
    if (version !== VERSION) {
      throw new AuditshipError(
        "AUDITSHIP_STATE_FORMAT",
        `the file table has version ${String(version)}, this auditship knows ${VERSION}. Run the version that wrote it, or remove the source's state to start anew.`,
      );
    }
    if (!Array.isArray(files) || !files.every(isStoredFile)) {
      throw new AuditshipError(
        "AUDITSHIP_STATE_FORMAT",
        "the file table is damaged. Remove the source's state to start anew.",
      );
    }
    const stored = (files as StoredFile[]).toSorted((a, b) => a.ordinal - b.ordinal);
    table.#done = Array.isArray(done) ? new Set(done) : undefined;
    table.#files = stored.map(({ ordinal, ...file }) => table.#index(makeFile(file, ordinal)));
    return table;
  }

  get files(): readonly LogFile[] {
    return this.#files;
  }

  /** True if a file came before the restored ones; undefined if the state is from a build that did not record this. */
  wasDone(fingerprint: string): boolean | undefined {
    return this.#done?.has(shortFingerprint(fingerprint));
  }

  get(fingerprint: string): LogFile | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  last(): LogFile | undefined {
    return this.#files.at(-1);
  }

  /** Files after an ordinal, in order. */
  *after(ordinal: number): Iterable<LogFile> {
    for (let i = this.#indexAfter(ordinal); i < this.#files.length; i++) yield this.#files[i];
  }

  /** Adds a file after all others. */
  append(file: NewFile): LogFile {
    const added = this.#index(makeFile(file, (this.last()?.ref.ordinal ?? 0) + 1));
    this.#files.push(added);
    return added;
  }

  /** Adds files, oldest first, before all others. */
  prepend(files: NewFile[]): LogFile[] {
    const first = (this.#files[0]?.ref.ordinal ?? 1) - files.length;
    const added = files.map((file, i) => this.#index(makeFile(file, first + i)));
    this.#files = [...added, ...this.#files];
    return added;
  }

  /**
   * Counts the bytes of a file from `from` on as lost, except those in `done`. Returns nothing if they were counted before or there
   * are none.
   */
  lose(file: LogFile, from: number, { reason = file.gone ?? "deleted", done = [] }: LoseOptions = {}): Loss[] {
    const losses: Loss[] = [];
    const { id, fingerprint } = file.ref;
    const end = Math.min(file.lostFrom ?? file.size, file.size);
    if (from < end) {
      file.lostFrom = from;
      const kept = done.filter((range) => range.file === fingerprint).map((range) => overlap(range, from, end));
      const bytes = end - from - kept.reduce((sum, length) => sum + length, 0);
      if (bytes > 0) {
        losses.push(file.exact ? { reason, bytes, file: id } : { reason: "unseen", bytes: 0, atMost: bytes, file: id });
      }
    }
    if (file.grown !== undefined) losses.push({ reason: "unseen", bytes: 0, atMost: file.grown, file: id });
    file.grown = undefined;
    return losses;
  }

  /**
   * Takes the bytes of a damaged `.gz` from `from` on for lost. Where its size was not seen before, nothing says how many they are:
   * what stands where a whole file has its size may be anything.
   */
  loseDamaged(file: LogFile, from: number): Loss[] {
    const isNew = from < (file.lostFrom ?? Number.POSITIVE_INFINITY);
    const isGuess = !file.exact || file.grown !== undefined;
    file.grown = undefined;
    const losses = file.exact ? this.lose(file, from, { reason: "unreadable" }) : [];
    if (isNew) file.lostFrom = from;
    if (isNew && isGuess) losses.push({ reason: "unseen", bytes: 0, file: file.ref.id });
    return losses;
  }

  /**
   * JSON of every file from `oldest` on (all if undefined), and the ids of the earlier ones that still exist. Earlier files that
   * are gone are forgotten.
   */
  toState(oldest: number | undefined): object {
    if (oldest !== undefined) this.#forgetGone(oldest);
    const from = oldest === undefined ? 0 : this.#indexAfter(oldest - 1);
    const files = this.#files.slice(from).map(({ ref, marks, ...seen }): StoredFile => {
      const { fingerprint, ordinal, time } = ref;
      const noted = seen.finished ? undefined : thinned(marks);
      return { fingerprint, ordinal, time, ...seen, marks: noted };
    });
    const done = this.#files.slice(0, from).map(({ ref }) => ref.id);
    return { version: VERSION, files, done };
  }

  #index(file: LogFile): LogFile {
    this.#byFingerprint.set(file.ref.fingerprint, file);
    return file;
  }

  #forgetGone(before: number): void {
    const forgotten = (file: LogFile) => file.gone !== undefined && file.ref.ordinal < before;
    if (!this.#files.some(forgotten)) return;
    for (const file of this.#files.filter(forgotten)) this.#byFingerprint.delete(file.ref.fingerprint);
    this.#files = this.#files.filter((file) => !forgotten(file));
  }

  /** Index of the first file with a higher ordinal. */
  #indexAfter(ordinal: number): number {
    let low = 0;
    let high = this.#files.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#files[middle].ref.ordinal <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The number of bytes of [from, end) within a range. */
function overlap(range: ByteRange, from: number, end: number): number {
  return Math.max(0, Math.min(range.to, end) - Math.max(range.from, from));
}

function makeFile({ fingerprint, time, marks = [], ...seen }: NewFile & { marks?: Mark[] }, ordinal: number): LogFile {
  const ref: FileRef = Object.freeze({ fingerprint, id: shortFingerprint(fingerprint), ordinal, time });
  return { ref, ...seen, marks };
}

function isStoredFile(value: unknown): value is StoredFile {
  const file = value as Partial<StoredFile> | null;
  return (
    typeof file === "object" &&
    file !== null &&
    /^[0-9a-f]{64}$/.test(String(file.fingerprint)) &&
    Number.isSafeInteger(file.ordinal) &&
    Number.isFinite(file.time) &&
    Number.isFinite(file.size) &&
    (file.base === undefined || typeof file.base === "string") &&
    (file.marks === undefined || (Array.isArray(file.marks) && file.marks.every(isMark)))
  );
}

function isMark(value: unknown): value is Mark {
  const mark = value as Partial<Mark> | null;
  return [mark?.at, mark?.length, mark?.sum].every(Number.isSafeInteger) && mark!.at! >= mark!.length!;
}
