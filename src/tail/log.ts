import fs from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { AuditshipError, type Loss, type SourceContext } from "../plugin/index.js";
import type { ByteSource } from "./byte-source.js";
import { Complaints } from "./complaints.js";
import { Descriptor, inodeOf } from "./descriptor.js";
import { type Backup, bornAt, Directory, hintOf, type Inspected, inspect } from "./directory.js";
import { eventTime } from "./event-time.js";
import { FileTable, type LogFile, type NewFile } from "./file-table.js";
import { type FirstLine, firstLine } from "./fingerprint.js";
import { GzipSource } from "./gzip.js";
import { PlainSource, plainStart, stillBegins } from "./plain.js";
import { Watch } from "./watch.js";

/** Most bytes read to learn the time of an unread event. */
const TIME_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
/** Files looked into before other work gets its turn. */
const FILES_PER_TURN = 64;

export interface LogOptions {
  /** The active file, or a directory that holds one log. */
  path: string;
  /** Milliseconds between looks without a hint. */
  poll: number;
}

/** The file under the active name. */
interface Active {
  readonly descriptor: Descriptor;
  /** Undefined until it has a complete line. */
  first?: FirstLine;
  file?: LogFile;
}

/** A descriptor that somebody may hold, and what its file begins with. */
interface Opened {
  readonly descriptor: Descriptor;
  readonly first: FirstLine;
}

/**
 * The log on disk: keeps the file table true, for all readers of the source together. Rotation is noticed by the identity
 * of the active file; then the directory is listed and what is new in it is looked into, nothing else.
 */
export class Log {
  readonly table: FileTable;
  readonly complaints: Complaints;
  onLoss: (loss: Loss) => void = () => {};
  readonly #options: LogOptions;
  readonly #context: SourceContext;
  #directory: Directory | undefined;
  #watch: Watch | undefined;
  #active: Active | undefined;
  /** Backups looked into, by base name; undefined: nothing in it, or nothing to be had from it. */
  #known = new Map<string, LogFile | undefined>();
  readonly #opened = new WeakMap<LogFile, Opened>();
  #filesOpen = 0;
  #version = 0;
  #waiting = new Set<() => void>();
  #scan: Promise<void> | undefined;
  #scanAgain = false;
  #scans = 0;
  /** Why the last scan or read failed: tried again at the next poll. */
  #failure: Error | undefined;
  /** Something in the table is not what it was before this scan. */
  #changed = false;
  #lastTry = 0;
  #lookedAt = { inode: "", size: 0 };
  #closed = false;

  constructor(options: LogOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.table = FileTable.restore(context.restored);
    this.complaints = new Complaints(context);
  }

  /** Rises whenever there may be more to read. */
  get version(): number {
    return this.#version;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get once(): boolean {
    return this.#context.once;
  }

  /** Throws AUDITSHIP_SOURCE_PATH where the path holds several logs, AUDITSHIP_SOURCE_READ if nothing is there for `once`. */
  async open(): Promise<void> {
    await this.scan();
    if (this.#failure instanceof AuditshipError) throw this.#failure;
    if (this.once) {
      if (!this.#directory) throw new AuditshipError("AUDITSHIP_SOURCE_READ", `${this.#options.path} is not there.`);
      return;
    }
    this.#watch = new Watch({
      poll: this.#options.poll,
      target: () => this.#directory && (this.#active ? this.#directory.activePath : this.#directory.path),
      look: () => this.#look(),
    });
  }

  /** Resolves when `version` is no longer `since`, on `signal`, or when the log is closed. */
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

  /** Wakes all who wait for a change. */
  wake(): void {
    this.#version++;
    for (const done of [...this.#waiting]) done();
  }

  /** Brings the table up to date with the directory. */
  async scan(): Promise<void> {
    this.#scanAgain = true;
    this.#scan ??= this.#scanAll().finally(() => {
      this.#scan = undefined;
    });
    return this.#scan;
  }

  /** Why the log cannot be read on at this moment; undefined if nothing is wrong. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#context.now();
  }

  /** True once the whole directory was looked at. */
  get listed(): boolean {
    return this.#scans > 0;
  }

  /** Tries again at the next poll; whoever waits is woken then. */
  retryLater(failure: Error): void {
    this.#failure = failure;
  }

  /** True if the file's bytes can still be had. */
  isReadable(file: LogFile): boolean {
    return !file.gone || this.#openedDescriptor(file) !== undefined;
  }

  /** The first readable file after an ordinal. */
  next(after: number): LogFile | undefined {
    for (const file of this.table.after(after)) if (this.isReadable(file)) return file;
    return undefined;
  }

  /** Opens a file; undefined if it is not where it was: scan, then ask again. Throws the system's errors. */
  openFile(file: LogFile): ByteSource | undefined {
    const opened = this.#openedDescriptor(file);
    if (opened) return new PlainSource(opened.descriptor.retain(), opened.first);
    const found = file.base === undefined ? undefined : this.#directory?.openBackup(file.base);
    if (!found) return undefined;
    if (found.gzip) return new GzipSource(found.descriptor);
    const first = firstLine(plainStart(found.descriptor), true);
    if (first?.fingerprint !== file.ref.fingerprint) {
      found.descriptor.release();
      return undefined;
    }
    this.#opened.set(file, { descriptor: found.descriptor, first });
    return new PlainSource(found.descriptor, first);
  }

  /** Where the file's bytes can be read from now on, for messages. */
  nameOf(file: LogFile): string {
    return file.base ?? this.#directory?.name.active ?? this.#options.path;
  }

  /** The rest of a file from `offset` on cannot be decompressed. */
  damaged(file: LogFile, offset: number, why: string): void {
    const what = "An audit file is damaged; what comes after the damage is lost.";
    this.complaints.complain("damaged", this.nameOf(file), what, new Error(why));
    const loss = this.table.lose(file, offset, "unreadable");
    if (loss) this.onLoss(loss);
  }

  /** Time of the event on the line at `offset`, epoch milliseconds, if a short look into a plain file tells. */
  timeAt(file: LogFile, offset: number): number | undefined {
    const held = this.#openedDescriptor(file)?.descriptor.retain();
    const found = held ? { descriptor: held, gzip: false } : this.#openQuietly(file);
    try {
      return found && !found.gzip ? firstTime(found.descriptor, offset) : undefined;
    } finally {
      found?.descriptor.release();
    }
  }

  /** Takes what gone files between two places held for lost: `file` from `offset` on, and all after it up to `next`. */
  lose(file: LogFile, offset: number, next: LogFile): void {
    this.#loseFrom(file, offset);
    for (const between of this.table.after(file.ref.ordinal)) {
      if (between.ref.ordinal >= next.ref.ordinal) return;
      this.#loseFrom(between, 0);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.close();
    await this.#scan;
    this.#active?.descriptor.release();
    this.#active = undefined;
    this.wake();
  }

  #loseFrom(file: LogFile, offset: number): void {
    const unseen = !file.finished && file.lostFrom === undefined;
    const loss = this.table.lose(file, offset);
    if (loss) this.onLoss(loss);
    // It was still written to when it was last seen.
    if (unseen) {
      file.lostFrom ??= offset;
      this.onLoss({ reason: "unseen", bytes: 0, file: file.ref.id });
    }
  }

  #openQuietly({ base }: LogFile): { descriptor: Descriptor; gzip: boolean } | undefined {
    try {
      return base === undefined ? undefined : this.#directory?.openBackup(base);
    } catch {
      return undefined;
    }
  }

  #find(): Directory | undefined {
    const { path } = this.#options;
    const found = Directory.find(path, (file) => this.#openDescriptor(file));
    if (!found) this.complaints.complain("missing", path, "The audit log is not there; waiting for it.");
    return found;
  }

  #openDescriptor(path: string): Descriptor {
    return new Descriptor(
      path,
      () => this.#countOpen(1),
      () => this.#countOpen(-1),
    );
  }

  #countOpen(change: number): void {
    this.#filesOpen += change;
    this.#context.meter.set("auditship_files_open", this.#filesOpen, this.#context.name);
  }

  #openedDescriptor(file: LogFile): Opened | undefined {
    const opened = this.#opened.get(file);
    return opened?.descriptor.open ? opened : undefined;
  }

  /** The truth about the active file, as cheap as it can be had; true if it has changed since the last look. */
  #look(): boolean {
    try {
      return this.#lookAtActive() || this.#retry();
    } catch (error) {
      this.complaints.complain("read", this.#options.path, "The audit log cannot be looked at; trying again.", error);
      return false;
    }
  }

  #lookAtActive(): boolean {
    const stat = this.#directory?.statActive();
    const held = this.#active;
    const inode = stat ? inodeOf(stat) : "";
    const size = held && inode !== held.descriptor.inode ? held.descriptor.stat().size : (stat?.size ?? 0);
    const before = this.#lookedAt;
    if (inode === before.inode && size === before.size) return false;
    this.#lookedAt = { inode, size };
    const sameFile = held?.file && held.first && inode === held.descriptor.inode && size >= held.file.size;
    if (sameFile && stillBegins(held.descriptor, held.first!)) {
      held.file!.size = size;
      this.wake();
    } else {
      void this.scan();
    }
    return true;
  }

  /** Tries again what went wrong, once per poll. */
  #retry(): boolean {
    const now = performance.now();
    if (this.#directory && !this.#failure) return false;
    if (now - this.#lastTry < this.#options.poll) return false;
    this.#lastTry = now;
    void this.scan();
    return false;
  }

  async #scanAll(): Promise<void> {
    while (this.#scanAgain && !this.#closed) {
      this.#scanAgain = false;
      const retried = this.#failure !== undefined;
      this.#failure = undefined;
      this.#changed = false;
      try {
        await this.#scanOnce();
      } catch (error) {
        this.#scanFailed(error as NodeJS.ErrnoException);
      }
      if (this.#changed || retried) this.wake();
    }
  }

  #scanFailed(error: NodeJS.ErrnoException): void {
    const { path } = this.#options;
    this.#failure = error;
    if (error instanceof AuditshipError) {
      this.complaints.complain("ambiguous", path, error.message, error);
    } else if (error.code === "ENOENT") {
      this.complaints.complain("missing", path, "The directory of the audit log is not there; waiting for it.", error);
    } else {
      this.complaints.complain("list", path, "The audit log cannot be listed or opened; trying again.", error);
    }
  }

  async #scanOnce(): Promise<void> {
    this.#directory ??= this.#find();
    if (!this.#directory) return;
    const { backups, active, settled } = this.#directory.view(this.#active?.descriptor);
    this.complaints.resolve(this.#options.path, "missing", "list", "ambiguous", "read");
    let taken = false;
    try {
      const complete = await this.#takeBackups(backups, active);
      if (complete && settled) {
        taken = true;
        this.#takeActive(active);
        this.#markGone();
        this.#changed ||= this.#scans === 0;
        this.#scans++;
      } else {
        this.#scanAgain ||= !settled;
      }
    } finally {
      if (!taken) active?.release();
    }
  }

  /** Enters backups that are new into the table; false if one cannot be read, then those after it wait with it. */
  async #takeBackups(backups: Map<string, Backup>, active: Descriptor | undefined): Promise<boolean> {
    const fresh = this.#unknown(backups);
    const unplaced = new Map<string, NewFile>();
    const remembered = fresh.length > 0 ? this.#byBase() : new Map();
    let complete = true;
    for (const [i, backup] of fresh.entries()) {
      if (i > 0 && i % FILES_PER_TURN === 0) await nextTurn();
      try {
        const file = this.#recognise(backup, remembered.get(backup.base), backups);
        const twin = file && unplaced.get(file.fingerprint);
        if (twin) this.#ignoreCopy(backup.base, twin.base!);
        else if (file) unplaced.set(file.fingerprint, file);
      } catch (error) {
        this.complaints.complain("open", backup.base, "An audit file cannot be opened; trying again.", error);
        this.#failure = error as Error;
        complete = false;
        break;
      }
    }
    this.#place([...unplaced.values()], complete, active);
    return complete;
  }

  #byBase(): Map<string | undefined, LogFile> {
    return new Map(this.table.files.map((file) => [file.base, file]));
  }

  /** Backups not looked into yet, oldest first; and the newest one if another file took its name. */
  #unknown(backups: Map<string, Backup>): Backup[] {
    for (const base of this.#known.keys()) if (!backups.has(base)) this.#known.delete(base);
    const fresh: Backup[] = [];
    let newest: Backup | undefined;
    for (const backup of backups.values()) {
      if (!this.#known.has(backup.base)) fresh.push(backup);
      else if (!newest || backup.time > newest.time) newest = backup;
    }
    const overwritten = newest && !newest.gzip && this.#known.get(newest.base);
    if (overwritten && this.#directory!.hint(newest!) !== overwritten.hint) fresh.push(newest!);
    return fresh.sort((a, b) => a.time - b.time || (a.base < b.base ? -1 : 1));
  }

  /** Finds out which file a backup is: undefined if the table has it now, else what to enter. */
  #recognise(backup: Backup, remembered: LogFile | undefined, backups: Map<string, Backup>): NewFile | undefined {
    const { base, time } = backup;
    const directory = this.#directory!;
    if (remembered?.hint !== undefined && directory.hint(backup) === remembered.hint) {
      this.#settle(remembered, base, time);
      return undefined;
    }
    const seen = this.#inspect(backup, remembered);
    if (!seen) return undefined;
    const { first, size, exact, hint, born } = seen;
    const file = first && this.table.get(first.fingerprint);
    if (!first) this.#known.set(base, undefined);
    else if (file && this.#isCopy(file, base, backups)) this.#ignoreCopy(base, this.nameOf(file));
    else if (file) {
      this.#settle(file, base, time);
      if (exact || !file.exact) Object.assign(file, { size, exact });
      file.hint = hint;
    } else {
      return {
        fingerprint: first.fingerprint,
        time: first.time ?? born,
        base,
        rotated: time,
        size,
        exact,
        finished: true,
        hint,
      };
    }
    return undefined;
  }

  #inspect(backup: Backup, remembered: LogFile | undefined): Inspected | undefined {
    const held = this.#active;
    const { base } = backup;
    try {
      const opened = this.#directory!.openBackup(base);
      if (!opened) return undefined;
      try {
        const isHeld = held?.first && held.descriptor.inode === opened.descriptor.inode;
        const seen = inspect(opened.descriptor, opened.gzip, isHeld ? held.first : undefined);
        this.complaints.resolve(base, "open");
        return seen;
      } finally {
        opened.descriptor.release();
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.complaints.complain("damaged", base, "An audit file is damaged from its beginning; it is left out.", error);
      this.#known.set(base, remembered);
      if (!remembered) this.onLoss({ reason: "unseen", bytes: 0, file: base });
      return undefined;
    }
  }

  /** The file is a backup now. */
  #settle(file: LogFile, base: string, rotated: number): void {
    this.#known.set(base, file);
    Object.assign(file, { base, rotated, finished: true, gone: undefined });
    this.#changed = true;
  }

  /** True if the file that begins with the same line is still there under another name. */
  #isCopy(file: LogFile, base: string, backups: Map<string, Backup>): boolean {
    if (file.base !== undefined) return file.base !== base && backups.has(file.base);
    const held = this.#active;
    const stat = held?.file === file ? this.#directory!.statActive() : undefined;
    return stat !== undefined && inodeOf(stat) === held!.descriptor.inode;
  }

  #ignoreCopy(base: string, original: string): void {
    this.#known.set(base, undefined);
    const what = "An audit file begins like another one and is taken for a copy of it; it is left out.";
    this.complaints.complain("duplicate", `${base} (${original})`, what);
  }

  /** Enters new backups, oldest first. */
  #place(unplaced: NewFile[], complete: boolean, active: Descriptor | undefined): void {
    if (unplaced.length === 0) return;
    const floor = this.#scans === 0 ? this.#oldestNeeded(active) : Number.NEGATIVE_INFINITY;
    const older = unplaced.filter((file) => file.rotated! < floor);
    // All at once, so that they stand in order.
    if (complete) for (const file of this.table.prepend(older)) this.#known.set(file.base!, file);
    for (const file of unplaced) if (file.rotated! >= floor) this.#known.set(file.base!, this.#append(file));
    this.#changed = true;
  }

  /** Backups rotated before this time came before every file of the restored table: they were done with. */
  #oldestNeeded(active: Descriptor | undefined): number {
    if (this.table.files.length === 0) return Number.NEGATIVE_INFINITY;
    const first = active && firstLine(plainStart(active), false);
    const bounds = this.table.files.map((file) => {
      if (file.rotated !== undefined) return file.rotated;
      const isActive = file.ref.fingerprint === first?.fingerprint;
      return isActive ? Number.POSITIVE_INFINITY : (file.lastEvent ?? file.ref.time);
    });
    return bounds.reduce((a, b) => Math.min(a, b));
  }

  #append(file: NewFile): LogFile {
    if (this.#scans > 0 && this.table.files.length > 0) {
      this.#context.meter.add("auditship_rotations_total", 1, this.#context.name);
    }
    this.#changed = true;
    return this.table.append(file);
  }

  /** Takes over the descriptor. */
  #takeActive(descriptor: Descriptor | undefined): void {
    const before = this.#active;
    if (!descriptor) {
      // Without a successor it may be written to under no name; as a backup it is done with.
      if (before?.file?.finished || (before && !before.file)) this.#releaseActive();
      return;
    }
    if (before && before.descriptor !== descriptor) this.#releaseActive();
    else if (before) descriptor.release();
    this.#changed ||= this.#active === undefined;
    this.#active ??= { descriptor };
    this.#identifyActive(this.#active);
  }

  #releaseActive(): void {
    const { descriptor, file } = this.#active!;
    if (file && !file.finished) {
      Object.assign(file, { size: descriptor.stat().size, exact: true, finished: true, gone: "deleted" });
    }
    descriptor.release();
    this.#active = undefined;
    this.#changed = true;
  }

  #identifyActive(active: Active): void {
    const { descriptor } = active;
    const first = firstLine(plainStart(descriptor), false);
    const stat = descriptor.stat();
    if (active.file && first?.fingerprint !== active.file.ref.fingerprint) this.#truncated(active.file);
    active.first = first;
    active.file = first && (this.table.get(first.fingerprint) ?? this.#append(newActive(first, stat)));
    if (!first || !active.file) return;
    if (stat.size < active.file.size) this.#shrunk(active.file, stat.size);
    this.#changed ||= active.file.size !== stat.size || active.file.gone !== undefined;
    Object.assign(active.file, { base: undefined, rotated: undefined, finished: false, gone: undefined });
    Object.assign(active.file, { size: stat.size, exact: true, hint: hintOf(stat) });
    this.#opened.set(active.file, { descriptor, first });
  }

  /** Cut, but not to nothing: the bytes that nobody had read are lost. */
  #shrunk(file: LogFile, size: number): void {
    const bytes = file.size - Math.max(size, file.read ?? 0);
    if (bytes > 0) this.onLoss({ reason: "overwritten", bytes, file: file.ref.id });
    this.complaints.complain(
      "replaced",
      this.nameOf(file),
      "The active audit file was cut; reading goes on at its end.",
    );
  }

  #truncated(file: LogFile): void {
    const what = "The active audit file was truncated; reading goes on with what is written now.";
    this.complaints.complain("replaced", this.nameOf(file), what);
    this.#opened.delete(file);
    Object.assign(file, { finished: true, gone: "overwritten" });
    this.#changed = true;
  }

  #markGone(): void {
    for (const file of this.table.files) {
      const { base, gone } = file;
      const there = base === undefined ? file === this.#active?.file : this.#known.get(base) === file;
      if (there) file.gone = undefined;
      else if (!gone) this.#goneNow(file);
      this.#changed ||= file.gone !== gone;
    }
  }

  #goneNow(file: LogFile): void {
    const overwritten = file.base !== undefined && this.#known.has(file.base);
    file.gone = overwritten ? "overwritten" : "deleted";
    const what = "A rotated audit file was overwritten by another one.";
    if (overwritten) this.complaints.complain("replaced", this.nameOf(file), what);
  }
}

function newActive(first: FirstLine, stat: ReturnType<Descriptor["stat"]>): NewFile {
  return {
    fingerprint: first.fingerprint,
    time: first.time ?? bornAt(stat),
    size: stat.size,
    exact: true,
    finished: false,
  };
}

/** Time of the event on the line at `offset`; undefined if the line is too long or has none. */
function firstTime(descriptor: Descriptor, offset: number): number | undefined {
  const bytes = Buffer.allocUnsafe(TIME_BYTES);
  const count = fs.readSync(descriptor.fd, bytes, 0, bytes.length, offset);
  const newline = bytes.subarray(0, count).indexOf(NEWLINE);
  return newline < 0 ? undefined : eventTime(bytes.subarray(0, newline));
}

/** zlib's errors: the bytes are wrong, and will be at the next try. */
function isDamage(error: unknown): boolean {
  const code = String((error as NodeJS.ErrnoException).code);
  return code.startsWith("Z_") || code === "ERR_BUFFER_TOO_LARGE";
}
