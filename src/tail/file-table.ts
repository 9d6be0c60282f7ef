import { AuditshipError, type ByteRange, type FileRef, type Loss } from "../plugin/index.js";
import { shortFingerprint } from "./fingerprint.js";
import { type Mark, thinned } from "./marks.js";

/** Written into the state; raised when what is written changes its meaning. */
const VERSION = 1;

/** One file of the log, as it was last seen. */
export interface LogFile {
  readonly ref: FileRef;
  /** Name of the plain backup (a `.gz` is it, too); undefined while it is the active file. */
  base?: string;
  /** Time in that name, epoch milliseconds. */
  rotated?: number;
  /** Decompressed bytes seen. */
  size: number;
  /** The size was seen, not guessed from a `.gz`. */
  exact: boolean;
  /** It was written to when its size was seen, and has been compressed since: by so many bytes it may have grown, at a guess. */
  grown?: number;
  /** Rotated or replaced: nothing more will be written to it. */
  finished: boolean;
  /** Set when it was no longer there. */
  gone?: "deleted" | "overwritten";
  /** Bytes that the quickest reader has read; what is written behind them is new to all. */
  read?: number;
  /** What was read, to know it again, as long as it is written to; in order. */
  readonly marks: Mark[];
  /** Bytes from here on are reported as lost. */
  lostFrom?: number;
  /** Time of the last event that was read, epoch milliseconds. */
  lastEvent?: number;
  /** `device:inode:bytes:mtime` under its last name: a backup that still has it needs no look inside. */
  hint?: string;
}

/** What is known of a file when it enters the table. */
export interface NewFile extends Omit<LogFile, "ref" | "marks"> {
  fingerprint: string;
  time: number;
}

export interface LoseOptions {
  reason?: Loss["reason"];
  /** Bytes that were delivered all the same; they do not overlap. */
  done?: readonly ByteRange[];
}

interface StoredFile extends NewFile {
  ordinal: number;
  marks?: Mark[];
}

/**
 * Every file of the log at or after the oldest position that somebody needs, in the order of reading. Order and loss are
 * computed from it, also after a restart.
 */
export class FileTable {
  /** Short fingerprints of the backups that lay before what is restored: nobody needs them. Undefined if nothing tells. */
  #done: ReadonlySet<string> | undefined;
  /** By ordinal. */
  #files: LogFile[] = [];
  readonly #byFingerprint = new Map<string, LogFile>();

  /** Throws AUDITSHIP_STATE_FORMAT if `state` is not what {@link toState} made. */
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

  /** True if a file lay before what is restored; undefined if the state is of a build that did not note it. */
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

  /** Adds a file behind all others. */
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
   * Takes the bytes of a file from `from` on for lost, but for what is `done` already; nothing if that was done before or
   * nothing was in them.
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

  /** JSON of every file from `oldest` on (all if undefined), and which others are there; gone files before it are forgotten. */
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

/** How many bytes of [from, end) are in a range. */
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
