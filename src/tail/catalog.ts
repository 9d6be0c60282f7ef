import { setImmediate as nextTurn } from "node:timers/promises";
import type { SourceContext } from "../plugin/index.js";
import { type Descriptor, inodeOf, NO_FILE } from "./descriptor.js";
import { type Backup, bornAt, Directory, hintOf, type Inspected, inspect } from "./directory.js";
import type { FileTable, LogFile, NewFile } from "./file-table.js";
import { type FirstLine, firstLine } from "./fingerprint.js";
import { isDamage } from "./gzip.js";
import { lastStanding, stands } from "./marks.js";
import type { OpenFiles } from "./open-files.js";
import { Pinning, type PinOptions } from "./pinning.js";
import { plainRead, stillBegins } from "./plain.js";
import type { Reports } from "./reports.js";
import { Unseen } from "./unseen.js";
import type { Look } from "./watch.js";

/** Files looked into before other work gets its turn. */
const FILES_PER_TURN = 64;
/** Bytes per millisecond from which a log counts as surging: twice the rate of 1,000 events/s of 2.5 KB each. */
const SURGE = 5000;

/** The file under the active name. */
interface Active {
  readonly descriptor: Descriptor;
  /** Undefined until it has a complete line. */
  first?: FirstLine;
  file?: LogFile;
  /** A warning that it has outgrown `maxSize` was given. */
  tooLarge?: boolean;
}

export interface CatalogOptions {
  /** The active file, or a directory that holds one log. */
  path: string;
  /** Size in bytes at which the writer rotates, if known. */
  maxSize?: number;
  /** If undefined, nothing is pinned. */
  pin?: PinOptions;
}

/** Keeps the file table in line with the directory: finds out which file is which, whatever its name, and in which order they come. */
export class Catalog {
  readonly pinning: Pinning | undefined;
  readonly #path: string;
  readonly #maxSize: number | undefined;
  readonly #table: FileTable;
  readonly #files: OpenFiles;
  readonly #reports: Reports;
  readonly #context: SourceContext;
  readonly #unseen: Unseen;
  #directory: Directory | undefined;
  #active: Active | undefined;
  /** Backups looked into, by base name; undefined for those that are empty or unusable. */
  readonly #known = new Map<string, LogFile | undefined>();
  #updates = 0;
  /** The newest file when all of the directory was seen last: what is behind it may have gaps. */
  #newest: LogFile | undefined;
  #changed = false;
  #lookedAt = { inode: "", size: 0, mtime: 0, time: 0 };
  /** The file that was truncated or deleted while it was being written to. Its successor is known. */
  #cut: LogFile | undefined;

  constructor(options: CatalogOptions, table: FileTable, files: OpenFiles, reports: Reports, context: SourceContext) {
    this.#path = options.path;
    this.#maxSize = options.maxSize;
    this.#table = table;
    this.#files = files;
    this.#reports = reports;
    this.#context = context;
    this.#unseen = new Unseen(table, reports, (file) => this.nameOf(file));
    this.pinning = options.pin && new Pinning(options.pin, table, files, reports, context);
  }

  /** Undefined until there is a log at the path. */
  get directory(): Directory | undefined {
    return this.#directory;
  }

  /** True while a file is held open as the active one. */
  get hasActive(): boolean {
    return this.#active !== undefined;
  }

  /** True once every file of the directory has been looked at. */
  get complete(): boolean {
    return this.#updates > 0;
  }

  /** Name of a file, for messages. */
  nameOf(file: LogFile): string {
    return file.base ?? this.#directory?.name.active ?? this.#path;
  }

  /** Checks the active file, as cheaply as possible. Throws the system's errors. */
  look(): Look {
    const stat = this.#directory?.statActive();
    const held = this.#active;
    const inode = stat ? inodeOf(stat) : "";
    const current = held && inode !== held.descriptor.inode ? held.descriptor.stat() : stat;
    const size = current?.size ?? 0;
    const mtime = current?.mtimeMs ?? 0;
    const before = this.#lookedAt;
    if (inode === before.inode && size === before.size && mtime === before.mtime) return "same";
    const time = performance.now();
    this.#lookedAt = { inode, size, mtime, time };
    // Another file may have the inode number of the file that was looked at last, because a deleted file's number is reused.
    const isOther = inode !== before.inode || (inode !== "" && inode !== held?.descriptor.inode);
    if (isOther || !held?.file || !held.first || size < held.file.size) return "different";
    if (!stillBegins(held.descriptor, held.first)) return "different";
    held.file.size = size;
    this.#checkSize(held);
    if (inode === "") this.#unlinked();
    return size - before.size < SURGE * (time - before.time) ? "grown" : "surging";
  }

  /** Updates the active file's size between two looks; the next look still reports that it has grown. Throws the system's errors. */
  measure(): void {
    const { file, descriptor, first } = this.#active ?? {};
    if (!file || !descriptor || !first) return;
    const { size } = descriptor.stat();
    // Checked after reading the size: if the first line is still the same, the size was this file's.
    if (size > file.size && stillBegins(descriptor, first)) file.size = size;
  }

  /**
   * One pass over the directory. `changed`: something in the table is not what it was. `again`: rotation was too quick for
   * one pass. `blocked`: a file that cannot be read holds up those after it. Throws the system's errors, and
   * AUDITSHIP_SOURCE_PATH if the path is a directory of several logs.
   */
  async update(): Promise<{ changed: boolean; again: boolean; blocked?: Error }> {
    this.#changed = false;
    this.#directory ??= this.#find();
    if (!this.#directory) return { changed: false, again: false };
    this.pinning?.begin(this.#directory);
    const isFirst = this.#updates === 0;
    if (isFirst) await this.pinning?.adoptNewer();
    this.#newest = this.#begun() ?? this.#newest ?? this.#table.last();
    const newest = this.#newest;
    // What the state has as gone had no successor when that was written.
    const isWatched = newest !== undefined && (isFirst || !newest.gone);
    // Written to when it was last seen, and nobody holds it.
    const grew = newest?.finished === false && !this.#active && !this.pinning?.has(newest);
    const { backups, active, settled } = this.#directory.view(this.#active?.descriptor);
    let unused = active;
    try {
      const blocked = await this.#takeBackups(backups, active);
      this.#reports.resolve(this.#path, "missing", "list", "ambiguous", "read");
      if (settled && !blocked) {
        unused = undefined;
        this.#takeActive(active);
        this.#markGone();
        if (isFirst) this.pinning?.adoptOlder();
        this.pinning?.renew({ backups, active: this.#active });
        if (isWatched && newest.gone && newest !== this.#cut) this.#unseen.vanished(newest, grew);
        this.#unseen.count();
        this.#newest = this.#table.last();
        this.#changed ||= isFirst;
        this.#updates++;
      }
      return { changed: this.#changed, again: !settled, blocked };
    } finally {
      unused?.release();
    }
  }

  /** The held file, if it got its first line since the last pass: it may be overwritten already, and has its place before what followed. */
  #begun(): LogFile | undefined {
    if (!this.#active || this.#active.file) return undefined;
    this.#identify(this.#active);
    return this.#active.file;
  }

  /** Drops the active file's handle, which has become stale (NFS). The next update opens the file again. */
  dropStale(): void {
    if (this.#active?.file) this.#files.forget(this.#active.file);
    this.close();
  }

  /**
   * Handles a file that was shortened, but not emptied, and perhaps written to since. It is read again from the last place where it
   * is unchanged; bytes that were seen but not read are lost.
   */
  cut(file: LogFile, size: number, descriptor: Descriptor): void {
    const read = file.read ?? 0;
    const bytes = file.size - Math.max(size, read);
    if (bytes > 0) this.#reports.lost({ reason: "overwritten", bytes, file: file.ref.id });
    const newest = file.marks.at(-1);
    const changed = newest !== undefined && !stands(newest, descriptor);
    if (read > size || changed) file.read = lastStanding(file.marks, size, descriptor);
    file.size = size;
    // Readers that wait for more at the old end must begin anew.
    this.#changed = true;
    const what = "The active audit file was cut; reading goes on where it is still what was read.";
    this.#reports.tell("replaced", this.nameOf(file), what);
  }

  close(): void {
    this.#active?.descriptor.release();
    this.#active = undefined;
  }

  #find(): Directory | undefined {
    const found = Directory.find(this.#path, this.#files.open);
    if (!found) this.#reports.complain("missing", this.#path, "The audit log is not there; waiting for it.");
    const target = found?.linkTarget();
    if (target !== undefined) this.#tellLink(target);
    return found;
  }

  #tellLink(target: string): void {
    const what = `The audit log is a link to ${target}, and backups are looked for beside the link. If they lie beside the file, set the source's path to that.`;
    this.#reports.tell("ambiguous", this.#path, what);
  }

  /** Adds new backups to the table, up to the first one that cannot be read; returns that one's error. */
  async #takeBackups(backups: Map<string, Backup>, active: Descriptor | undefined): Promise<Error | undefined> {
    const fresh = this.#unknown(backups);
    if (fresh.length === 0) return undefined;
    const remembered = new Map(this.#table.files.map((file) => [file.base, file]));
    const unplaced = new Map<string, NewFile>();
    let blocked: Error | undefined;
    for (const [i, backup] of fresh.entries()) {
      if (i > 0 && i % FILES_PER_TURN === 0) await nextTurn();
      try {
        const file = await this.#recognise(backup, remembered.get(backup.base), backups);
        const twin = file && unplaced.get(file.fingerprint);
        if (twin) this.#ignoreCopy(backup.base, twin.base!);
        else if (file) unplaced.set(file.fingerprint, file);
      } catch (error) {
        const what = "An audit file cannot be opened; trying again. What comes after it waits.";
        this.#reports.complain("open", backup.base, what, error);
        blocked = error as Error;
        break;
      }
    }
    this.#place([...unplaced.values()], blocked === undefined, active);
    return blocked;
  }

  /** Backups not looked into yet, oldest first; also the newest known one if another file took its name. */
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

  /** Finds out which file a backup is. Undefined if the table has it now; otherwise the file to add. */
  async #recognise(
    backup: Backup,
    remembered: LogFile | undefined,
    backups: Map<string, Backup>,
  ): Promise<NewFile | undefined> {
    const { base, time } = backup;
    if (remembered?.hint !== undefined && this.#directory!.hint(backup) === remembered.hint) {
      this.#settle(remembered, base, time);
      return undefined;
    }
    const seen = await this.#inspect(backup, remembered);
    if (!seen) return undefined;
    if (!seen.first) {
      this.#known.set(base, undefined);
      return undefined;
    }
    const file = this.#table.get(seen.first.fingerprint);
    if (!file) return newBackup(backup, seen, seen.first);
    if (this.#isCopy(file, base, backups)) {
      this.#ignoreCopy(base, this.nameOf(file));
    } else {
      if (!seen.exact && file.exact && !file.finished) file.grown = Math.max(0, seen.size - file.size);
      this.#settle(file, base, time);
      if (seen.exact || !file.exact) Object.assign(file, { size: seen.size, exact: seen.exact });
      file.hint = seen.hint;
    }
    return undefined;
  }

  /** Looks inside a backup; undefined if it is gone, or damaged from its beginning. */
  async #inspect({ base }: Backup, remembered: LogFile | undefined): Promise<Inspected | undefined> {
    let opened: { descriptor: Descriptor; gzip: boolean } | undefined;
    try {
      opened = this.#directory!.openBackup(base);
      if (!opened) return undefined;
      const { descriptor, gzip } = opened;
      const held = descriptor.inode === this.#active?.descriptor.inode ? this.#active.first : undefined;
      const seen = await inspect(descriptor, gzip, held && stillBegins(descriptor, held) ? held : undefined);
      this.#reports.resolve(base, "open");
      return seen;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === NO_FILE) {
        this.#known.set(base, undefined);
        return undefined;
      }
      if (!isDamage(error)) throw error;
      this.#reports.tell("damaged", base, "An audit file is damaged from its beginning; it is left out.", error);
      this.#known.set(base, remembered);
      if (!remembered) this.#reports.lost({ reason: "unseen", bytes: 0, file: base });
      return undefined;
    } finally {
      opened?.descriptor.release();
    }
  }

  /** Records that the file is a backup now. */
  #settle(file: LogFile, base: string, rotated: number): void {
    this.#known.set(base, file);
    Object.assign(file, { base, rotated, finished: true, gone: undefined });
    this.#changed = true;
  }

  /** True if the file that begins with the same line still exists under another name. */
  #isCopy(file: LogFile, base: string, backups: Map<string, Backup>): boolean {
    if (file.base !== undefined) return file.base !== base && backups.has(file.base);
    const held = this.#active;
    const stat = held?.file === file ? this.#directory!.statActive() : undefined;
    return stat !== undefined && inodeOf(stat) === held!.descriptor.inode;
  }

  #ignoreCopy(base: string, original: string): void {
    this.#known.set(base, undefined);
    const what = `An audit file begins like ${original} and is taken for a copy of it; it is left out.`;
    this.#reports.tell("duplicate", base, what);
  }

  /** Adds new backups, oldest first. `complete`: there are no others. */
  #place(unplaced: NewFile[], complete: boolean, active: Descriptor | undefined): void {
    const floor = this.#updates === 0 ? this.#oldestNeeded(active) : Number.NEGATIVE_INFINITY;
    const isOlder = ({ fingerprint, rotated }: NewFile) =>
      this.#updates === 0 && (this.#table.wasDone(fingerprint) ?? rotated! < floor);
    // All at once, to keep their order.
    if (complete) for (const file of this.#table.prepend(unplaced.filter(isOlder))) this.#known.set(file.base!, file);
    for (const file of unplaced) if (!isOlder(file)) this.#known.set(file.base!, this.#rotated(file));
    this.#changed ||= unplaced.length > 0;
  }

  /**
   * Backups rotated before this time precede every file of the restored table, provided that the clock never went back. For states
   * that do not say which files were done with.
   */
  #oldestNeeded(active: Descriptor | undefined): number {
    if (this.#table.files.length === 0) return Number.NEGATIVE_INFINITY;
    const first = active && firstLine(plainRead(active), false);
    const bounds = this.#table.files.map((file) => {
      if (file.rotated !== undefined) return file.rotated;
      const isActive = file.ref.fingerprint === first?.fingerprint;
      return isActive ? Number.POSITIVE_INFINITY : (file.lastEvent ?? file.ref.time);
    });
    return bounds.reduce((a, b) => Math.min(a, b));
  }

  /** Adds a file that followed the others by rotation. */
  #rotated(file: NewFile): LogFile {
    if (this.#updates > 0 && this.#table.files.length > 0) {
      this.#context.meter.add("auditship_rotations_total", 1, this.#context.name);
    }
    return this.#table.append(file);
  }

  /** Makes this descriptor the active one, and takes it over. */
  #takeActive(descriptor: Descriptor | undefined): void {
    const before = this.#active;
    if (!descriptor) {
      // Without a successor, the file may still be written to under no name. If it is a backup, or comes before one, it is
      // finished.
      const isLast = before?.file !== undefined && before.file === this.#table.last();
      if (isLast && !before.file!.finished) this.#grow(before.file!, before.descriptor.stat().size);
      else if (before) this.#leaveActive(before);
      return;
    }
    if (before?.descriptor === descriptor) descriptor.release();
    else if (before) this.#leaveActive(before);
    this.#changed ||= this.#active === undefined;
    this.#active ??= { descriptor };
    this.#identify(this.#active);
  }

  #grow(file: LogFile, size: number): void {
    this.#changed ||= size !== file.size;
    file.size = size;
  }

  #leaveActive({ descriptor, file, first }: Active): void {
    if (file && !file.finished && first && !stillBegins(descriptor, first)) this.#truncated(file);
    else if (file && !file.finished) {
      const name = descriptor.name();
      Object.assign(file, { size: descriptor.stat().size, exact: true, finished: true, gone: "deleted" });
      file.rotated = name === undefined ? undefined : this.#directory!.name.parse(name)?.time;
      // Whoever deletes the file that is being written to deletes no other.
      if (name === this.#directory!.name.active) this.#cut = file;
    }
    descriptor.release();
    this.#active = undefined;
    this.#changed = true;
  }

  /** Finds out which file the active one is; its content may have been replaced under the open descriptor. */
  #identify(active: Active): void {
    const { descriptor, file: before } = active;
    const isSame = active.first && stillBegins(descriptor, active.first);
    const first = isSame ? active.first : firstLine(plainRead(descriptor), false);
    const stat = descriptor.stat();
    const truncated = before !== undefined && first?.fingerprint !== before.ref.fingerprint;
    if (truncated) this.#truncated(before);
    active.first = first;
    active.file = undefined;
    if (!first) return;
    const fresh = {
      fingerprint: first.fingerprint,
      time: first.time ?? bornAt(stat),
      size: 0,
      exact: true,
      finished: false,
    };
    const known = this.#table.get(first.fingerprint);
    const file = known ?? (truncated ? this.#table.append(fresh) : this.#rotated(fresh));
    if (stat.size < file.size) this.cut(file, stat.size, descriptor);
    this.#changed ||= file.size !== stat.size || file.gone !== undefined;
    const now = { size: stat.size, exact: true, hint: hintOf(stat), finished: false };
    Object.assign(file, now, { base: undefined, rotated: undefined, gone: undefined });
    active.file = file;
    this.#files.hold(file, { descriptor, first });
    this.#checkSize(active);
  }

  /** If the path is mounted as a single file it cannot be renamed, so rotation fails. */
  #checkSize(active: Active): void {
    const { file } = active;
    if (active.tooLarge || this.#maxSize === undefined || !file || file.size <= this.#maxSize) return;
    active.tooLarge = true;
    const what = `The audit file has ${file.size} bytes, more than maxSize (${this.#maxSize}), and is not rotated. A single file that is mounted cannot be: mount its directory.`;
    this.#reports.tell("unrotated", this.#path, what);
  }

  #truncated(file: LogFile): void {
    const what = "The active audit file was truncated; reading goes on with what is written now.";
    this.#reports.tell("replaced", this.nameOf(file), what);
    this.#files.forget(file);
    Object.assign(file, { finished: true, gone: "overwritten" });
    this.#cut = file;
    this.#changed = true;
  }

  #unlinked(): void {
    const what =
      "The active audit file was deleted, but is written to; it is read on. Restart the writer to get a new one.";
    this.#reports.complain("unlinked", this.#path, what);
  }

  #markGone(): void {
    for (const file of this.#table.files) {
      const { base, gone } = file;
      const there = base === undefined ? file === this.#active?.file : this.#known.get(base) === file;
      if (there) file.gone = undefined;
      else if (!gone) this.#setGone(file);
      this.#changed ||= file.gone !== gone;
    }
  }

  #setGone(file: LogFile): void {
    const overwritten = file.base !== undefined && this.#known.has(file.base);
    file.gone = overwritten ? "overwritten" : "deleted";
    file.finished = true;
    const what = "A rotated audit file was overwritten by another one.";
    if (overwritten) this.#reports.tell("replaced", this.nameOf(file), what);
  }
}

function newBackup({ base, time }: Backup, { size, exact, hint, born }: Inspected, first: FirstLine): NewFile {
  const { fingerprint } = first;
  return { fingerprint, time: first.time ?? born, base, rotated: time, size, exact, finished: true, hint };
}
