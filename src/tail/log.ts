import { AuditshipError, type ByteRange, type Position, type SourceContext } from "../plugin/index.js";
import type { ByteSource } from "./byte-source.js";
import { Catalog, type CatalogOptions } from "./catalog.js";
import type { Descriptor } from "./descriptor.js";
import { FileTable, type LogFile, type LoseOptions } from "./file-table.js";
import { firstLine } from "./fingerprint.js";
import { GzipSource } from "./gzip.js";
import { OpenFiles } from "./open-files.js";
import { PlainSource, plainRead } from "./plain.js";
import { Reports } from "./reports.js";
import { type Look, Watch } from "./watch.js";

export interface LogOptions extends CatalogOptions {
  /** Milliseconds between looks if the kernel reports no change. */
  poll: number;
}

/**
 * The log on disk, shared by all readers of a source: they walk its file table, open its files and wait for its changes. Rotation
 * is noticed by the identity of the active file; only then is the directory listed.
 */
export class Log {
  readonly table: FileTable;
  readonly reports: Reports;
  readonly #options: LogOptions;
  readonly #context: SourceContext;
  readonly #files: OpenFiles;
  readonly #catalog: Catalog;
  #watch: Watch | undefined;
  /** Called when the table has changed. */
  onChange: () => void = () => {};
  #version = 0;
  readonly #waiting = new Set<() => void>();
  #scan: Promise<void> | undefined;
  #scanAgain = false;
  #failure: Error | undefined;
  #lastTry = 0;
  #closed = false;

  constructor(options: LogOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.table = FileTable.restore(context.restored);
    this.reports = new Reports(context);
    this.#files = new OpenFiles(context);
    this.#catalog = new Catalog(options, this.table, this.#files, this.reports, context);
  }

  /** Rises whenever there may be more to read. */
  get version(): number {
    return this.#version;
  }

  /** Read what is there, then end. */
  get once(): boolean {
    return this.#context.once;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** True once every file of the directory has been looked at. */
  get complete(): boolean {
    return this.#catalog.complete;
  }

  /** Why the log cannot be read at the moment; undefined if nothing is wrong. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#context.now();
  }

  /** Updates the active file's size without waking anybody. */
  refresh(): void {
    if (this.#closed) return;
    try {
      this.#catalog.measure();
    } catch {
      // The next look will report it.
    }
  }

  /** Gives up what pinning keeps of the files before `oldest`, which nobody needs any more. */
  release(oldest: Position): void {
    this.#catalog.pinning?.release(oldest);
  }

  /**
   * Throws AUDITSHIP_SOURCE_PATH if the path holds several logs, AUDITSHIP_SOURCE_PIN if pinning is impossible, and
   * AUDITSHIP_SOURCE_READ if there is no log in a `once` run.
   */
  async open(): Promise<void> {
    await this.scan();
    if (this.#failure instanceof AuditshipError) throw this.#failure;
    if (this.#catalog.pinning?.refusal) throw this.#catalog.pinning.refusal;
    if (!this.once) this.#startWatch();
    else if (!this.#catalog.directory && !this.#failure) {
      const what = "is not there. Check the source's path.";
      throw new AuditshipError("AUDITSHIP_SOURCE_READ", `${this.#options.path} ${what}`);
    }
  }

  /** Resolves when `version` differs from `since`, on `signal`, or when the log is closed. */
  changed(since: number, signal?: AbortSignal): Promise<void> {
    if (this.#version !== since || this.#closed || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener("abort", done);
    });
  }

  /** Wakes everybody who waits for a change. */
  wake(): void {
    this.#version++;
    for (const done of [...this.#waiting]) done();
  }

  /** Brings the table up to date with the directory. Never throws: see {@link failure}. */
  scan(): Promise<void> {
    this.#scanAgain = true;
    this.#scan ??= this.#scanAll();
    return this.#scan;
  }

  /** Schedules another attempt for the next poll; whoever waits is woken then. */
  retryLater(failure: NodeJS.ErrnoException): void {
    if (failure.code === "ESTALE") this.#catalog.dropStale();
    this.#failure = failure;
  }

  /** True if the file's bytes are still available. */
  isReadable(file: LogFile): boolean {
    return !file.gone || this.#files.get(file) !== undefined || this.#catalog.pinning?.has(file) === true;
  }

  /** The first readable file after an ordinal. */
  next(after: number): LogFile | undefined {
    for (const file of this.table.after(after)) if (this.isReadable(file)) return file;
    return undefined;
  }

  /** The first file that can be read, or that is gone with unread bytes: a reader that begins there reports them as lost. */
  firstUnread(): LogFile | undefined {
    return this.table.files.find((file) => this.isReadable(file) || (file.read ?? 0) < file.size);
  }

  /** Name of a file, for messages. */
  nameOf(file: LogFile | undefined): string {
    return file ? this.#catalog.nameOf(file) : this.#options.path;
  }

  /** Opens a file. Undefined if it is no longer where it was: scan, then ask again. Throws the system's errors. */
  openFile(file: LogFile): ByteSource | undefined {
    const held = this.#files.get(file);
    if (held) return new PlainSource(held.descriptor.retain(), held.first, file.marks);
    const found = this.#openBackup(file);
    if (!found) return undefined;
    if (found.gzip) return new GzipSource(found.descriptor);
    const first = firstLine(plainRead(found.descriptor), true);
    if (first?.fingerprint !== file.ref.fingerprint) {
      found.descriptor.release();
      return undefined;
    }
    this.#files.hold(file, { descriptor: found.descriptor, first });
    return new PlainSource(found.descriptor, first);
  }

  /**
   * Handles a file that was shortened below what was read of it, and written to: it is read again from the last place where it is
   * unchanged.
   */
  cut(file: LogFile): void {
    const descriptor = this.borrow(file);
    if (!descriptor) return;
    this.#catalog.cut(file, descriptor.stat().size, descriptor);
    descriptor.release();
  }

  /** A plain file's descriptor, which the caller releases; undefined if the file is compressed or unavailable. */
  borrow(file: LogFile): Descriptor | undefined {
    const held = this.#files.get(file);
    if (held) return held.descriptor.retain();
    try {
      const found = this.#openBackup(file);
      if (!found?.gzip) return found?.descriptor;
      found.descriptor.release();
    } catch {
      // Reading it will report the error.
    }
    return undefined;
  }

  /**
   * Counts as lost what gone files held between two places: `file` from `offset` on, and all files after it up to `next`. What is
   * `done`, and what is at or after `limit`, does not count.
   */
  lose(
    file: LogFile,
    offset: number,
    next: LogFile,
    { done, limit }: { done: readonly ByteRange[]; limit?: Position },
  ): void {
    const beyond = limit && { file: limit.file.fingerprint, from: limit.offset, to: Number.POSITIVE_INFINITY };
    const options = { done: beyond ? [...done, beyond] : done };
    const end = Math.min(next.ref.ordinal, (limit?.file.ordinal ?? Number.POSITIVE_INFINITY) + 1);
    this.#loseFrom(file, offset, options);
    for (const between of this.table.after(file.ref.ordinal)) {
      if (between.ref.ordinal >= end) return;
      this.#loseFrom(between, 0, options);
    }
  }

  /** Counts as lost what nobody has read of the gone files before `next`; their bytes had been seen. */
  loseUnread(next: LogFile): void {
    for (const file of this.table.files) {
      if (file.ref.ordinal >= next.ref.ordinal) return;
      if (file.gone) this.#loseFrom(file, file.read ?? 0, {});
    }
  }

  /** Reports that a file cannot be decompressed from `offset` on. */
  loseDamaged(file: LogFile, offset: number, why: string): void {
    const what = "An audit file is damaged; what comes after the damage is lost.";
    this.reports.tell("damaged", this.nameOf(file), what, new Error(why));
    for (const loss of this.table.loseDamaged(file, offset)) this.reports.lost(loss);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.close();
    await this.#scan;
    this.#catalog.close();
    this.wake();
  }

  /** Opens a file that is not being written to, under its name or where it is pinned. */
  #openBackup(file: LogFile): { descriptor: Descriptor; gzip: boolean } | undefined {
    const { base, gone } = file;
    const found = base === undefined || gone ? undefined : this.#catalog.directory?.openBackup(base);
    return found ?? (file.finished ? this.#catalog.pinning?.open(file) : undefined);
  }

  #loseFrom(file: LogFile, offset: number, options: LoseOptions): void {
    for (const loss of this.table.lose(file, offset, options)) this.reports.lost(loss);
  }

  #startWatch(): void {
    this.#watch = new Watch({
      poll: this.#options.poll,
      target: () => {
        const { directory, hasActive } = this.#catalog;
        return hasActive ? directory?.activePath : directory?.path;
      },
      look: () => this.#look(),
    });
  }

  #look(): Look {
    try {
      const seen = this.#catalog.look();
      if (seen === "different") void this.scan();
      else if (seen === "same") this.#retry();
      else this.wake();
      return seen;
    } catch (error) {
      const what = "The audit log cannot be looked at; trying again.";
      this.reports.complain("read", this.#options.path, what, error);
      this.retryLater(error as NodeJS.ErrnoException);
      return "same";
    }
  }

  /** Retries what went wrong, once per poll. */
  #retry(): void {
    if (this.#catalog.directory && !this.#failure) return;
    const now = performance.now();
    if (now - this.#lastTry < this.#options.poll) return;
    this.#lastTry = now;
    void this.scan();
  }

  async #scanAll(): Promise<void> {
    while (this.#scanAgain && !this.#closed) {
      this.#scanAgain = false;
      const failed = this.#failure !== undefined;
      this.#failure = undefined;
      const changed = await this.#scanOnce();
      if (changed) this.onChange();
      if (changed || failed) this.wake();
    }
    // In the same turn: otherwise a caller that asks in between would be forgotten.
    this.#scan = undefined;
  }

  async #scanOnce(): Promise<boolean> {
    try {
      const { changed, again, blocked } = await this.#catalog.update();
      this.#scanAgain ||= again;
      this.#failure = blocked;
      return changed;
    } catch (error) {
      this.retryLater(error as NodeJS.ErrnoException);
      this.#complain(error as NodeJS.ErrnoException);
      return false;
    }
  }

  #complain(error: NodeJS.ErrnoException): void {
    const { path } = this.#options;
    if (error instanceof AuditshipError) this.reports.complain("ambiguous", path, error.message);
    else if (error.code === "ENOENT")
      this.reports.complain("missing", path, "The directory of the audit log is not there; waiting for it.", error);
    else this.reports.complain("list", path, "The audit log cannot be listed or opened; trying again.", error);
  }
}
