import { join } from "node:path";
import type { AuditshipError, Position, SourceContext } from "../plugin/index.js";
import { type Descriptor, inodeOf } from "./descriptor.js";
import { type Backup, type Directory, inspect } from "./directory.js";
import type { FileTable, LogFile, NewFile } from "./file-table.js";
import { isDamage } from "./gzip.js";
import type { OpenFiles } from "./open-files.js";
import { Pins } from "./pins.js";
import type { Reports } from "./reports.js";

export interface PinOptions {
  /** Directory of the links. Default: a directory beside the log. */
  directory?: string;
  /** Most bytes of files that have no other name any more. */
  size: number;
}

/** What can be pinned: the files under their current names. */
export interface Present {
  readonly backups: ReadonlyMap<string, Backup>;
  readonly active: { readonly descriptor: Descriptor; readonly file?: LogFile } | undefined;
}

/** Keeps every file pinned that somebody still has to read, within the budget. */
export class Pinning {
  readonly #options: PinOptions;
  readonly #table: FileTable;
  readonly #files: OpenFiles;
  readonly #reports: Reports;
  readonly #context: SourceContext;
  /** The table came without files, so everything that is pinned still has to be read. */
  readonly #fresh: boolean;
  /** The files that were pinned then. */
  #older: NewFile[] = [];
  #oldest: number;
  #directory: Directory | undefined;
  #pins: Pins | undefined;

  constructor(options: PinOptions, table: FileTable, files: OpenFiles, reports: Reports, context: SourceContext) {
    this.#options = options;
    this.#table = table;
    this.#files = files;
    this.#reports = reports;
    this.#context = context;
    this.#fresh = table.files.length === 0;
    this.#oldest = table.files[0]?.ref.ordinal ?? Number.NEGATIVE_INFINITY;
  }

  /** Why nothing can be pinned; undefined if pinning works. */
  get refusal(): AuditshipError | undefined {
    return this.#pins?.refusal;
  }

  /** Finds what was pinned before. Called once the log's directory is known; further calls do nothing. */
  begin(directory: Directory): void {
    if (this.#pins) return;
    this.#directory = directory;
    const spool = this.#options.directory ?? join(directory.path, `.auditship-${this.#context.name}`);
    this.#pins = Pins.prepare(spool, directory.path, this.#files.open, this.#reports);
    for (const file of this.#table.files) {
      const bytes = this.#pins.plainSize(file.ref.fingerprint);
      if (bytes !== undefined) Object.assign(file, { size: bytes, exact: true });
    }
  }

  has(file: LogFile): boolean {
    return this.#pins?.has(file.ref.fingerprint) ?? false;
  }

  open(file: LogFile): { descriptor: Descriptor; gzip: boolean } | undefined {
    return this.#pins?.open(file.ref.fingerprint);
  }

  /** Looks into the pinned files, and adds those that are newer than the written table. Called before anything else is found. */
  async adoptNewer(): Promise<void> {
    if (this.#fresh) this.#older = await this.#unknown(Number.NEGATIVE_INFINITY);
    else for (const file of await this.#unknown(this.#table.last()!.ref.ordinal + 1)) this.#table.append(file);
  }

  /** Adds to a new table the pinned files that have no name in the directory: they came before all that have one. */
  adoptOlder(): void {
    this.#table.prepend(this.#older.filter(({ fingerprint }) => !this.#table.get(fingerprint)));
    for (const fingerprint of this.#pins!.fingerprints()) {
      if (!this.#table.get(fingerprint)) this.#pins!.release(fingerprint);
    }
  }

  /** Pins the present files, and gives up those that exceed the budget. */
  renew({ backups, active }: Present): void {
    for (const file of this.#table.after(this.#oldest - 1)) {
      if (file === active?.file) this.#pinActive(file, active.descriptor.inode);
      else if (file.base !== undefined && !file.gone) this.#pinBackup(file, backups.get(file.base));
    }
    this.#keepBudget();
    const { refusal } = this.#pins!;
    if (refusal) this.#reports.complain("pin", this.#directory!.path, refusal.message);
  }

  /** Releases everything before `oldest`, which nobody needs any more. */
  release(oldest: Position): void {
    this.#oldest = oldest.file.ordinal;
    const pins = this.#pins;
    if (!pins) return;
    for (const fingerprint of pins.fingerprints()) {
      const file = this.#table.get(fingerprint);
      if (!file || file.ref.ordinal < this.#oldest) pins.release(fingerprint);
    }
    this.#keepBudget();
  }

  #pinActive({ ref }: LogFile, inode: string): void {
    const { fingerprint, ordinal } = ref;
    const path = this.#directory!.activePath;
    this.#pins!.pin({ fingerprint, ordinal, path, gzip: false, isIt: (stat) => inodeOf(stat) === inode });
  }

  #pinBackup({ ref, hint, base }: LogFile, backup: Backup | undefined): void {
    if (!backup) return;
    const { fingerprint, ordinal } = ref;
    const { gzip } = backup;
    const path = join(this.#directory!.path, gzip ? `${base}.gz` : base!);
    const isIt = (stat: Parameters<typeof inodeOf>[0]) => gzip || (hint?.startsWith(`${inodeOf(stat)}:`) ?? false);
    this.#pins!.pin({ fingerprint, ordinal, path, gzip, isIt });
  }

  /** Of the files that are gone, keeps the newest; the oldest are given up first, as in rotation. */
  #keepBudget(): void {
    let bytes = 0;
    for (const file of this.#table.files.toReversed()) {
      if (!file.gone || !this.has(file)) continue;
      const size = this.#pins!.size(file.ref.fingerprint);
      if (bytes + size <= this.#options.size) bytes += size;
      else this.#giveUp(file);
    }
    this.#context.meter.set("auditship_pinned_bytes", bytes, this.#context.name);
  }

  #giveUp(file: LogFile): void {
    this.#pins!.release(file.ref.fingerprint);
    const what = "A pinned audit file was given up: pinSize is used up. What nobody had read of it is lost.";
    this.#reports.tell("pin", this.#directory!.path, what);
    if (this.#files.get(file)) return;
    // What was read may have been delivered; a sink that lacks it reports the loss when it gets there.
    for (const loss of this.#table.lose(file, file.read ?? 0)) this.#reports.lost(loss);
  }

  /** Pinned files from an ordinal on that are not in the table. */
  async #unknown(from: number): Promise<NewFile[]> {
    const fingerprints = this.#pins!.fingerprints(from).filter((fingerprint) => !this.#table.get(fingerprint));
    const files: NewFile[] = [];
    for (const fingerprint of fingerprints) {
      const file = await this.#inspect(fingerprint);
      if (file) files.push(file);
    }
    return files;
  }

  async #inspect(fingerprint: string): Promise<NewFile | undefined> {
    const opened = this.#pins!.open(fingerprint);
    if (!opened) return undefined;
    try {
      const { first, size, exact, hint, born } = await inspect(opened.descriptor, opened.gzip);
      if (first?.fingerprint !== fingerprint) return undefined;
      return { fingerprint, time: first.time ?? born, size, exact, finished: true, hint, gone: "deleted" };
    } catch (error) {
      // A file that cannot be read at the moment is not given up.
      if (!isDamage(error)) throw error;
      return undefined;
    } finally {
      opened.descriptor.release();
    }
  }
}
