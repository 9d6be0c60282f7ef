import fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AuditshipError } from "../plugin/index.js";
import { type Descriptor, inodeOf } from "./descriptor.js";
import { type FirstLine, firstLine } from "./fingerprint.js";
import { gzipFirstLine, gzipSize } from "./gzip.js";
import { type BackupName, LogName, logsAmong } from "./name.js";
import { plainRead } from "./plain.js";

/** Most listings in a row that may differ before the backups are taken without the active file. */
const MOST_LISTINGS = 20;

/** A rotated file. `gzip`: only the `.gz` is there. A `.gz` is not trusted while its plain file exists. */
export type Backup = BackupName;

/** The log at one moment. */
export interface View {
  /** By {@link BackupName.base}. */
  readonly backups: Map<string, Backup>;
  /** The file under the active name, newer than all these backups. The caller releases it. */
  readonly active: Descriptor | undefined;
  /** False if rotation was too quick to tell which backups came before the active file. */
  readonly settled: boolean;
}

/** What a look inside a backup shows. */
export interface Inspected {
  /** Undefined if it is empty. */
  readonly first: FirstLine | undefined;
  readonly size: number;
  readonly exact: boolean;
  readonly hint: string;
  /** Epoch milliseconds. */
  readonly born: number;
}

/** The directory that holds one log. Methods throw the system's errors, except for missing files. */
export class Directory {
  readonly activePath: string;
  #parsed = new Map<string, BackupName | undefined>();

  constructor(
    readonly path: string,
    readonly name: LogName,
    private readonly openFile: (path: string) => Descriptor,
  ) {
    this.activePath = join(path, name.active);
  }

  /**
   * Finds the log at `path`, which is a file or a directory with one log; undefined while there is none. Throws
   * AUDITSHIP_SOURCE_PATH if the directory holds several logs.
   */
  static find(path: string, openFile: (path: string) => Descriptor): Directory | undefined {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      const active = onlyLog(path);
      return active === undefined ? undefined : new Directory(path, new LogName(active), openFile);
    }
    const found = new Directory(dirname(path), new LogName(basename(path)), openFile);
    if (stat) return found;
    const exists = fs.existsSync(found.path) && found.list().size > 0;
    return exists ? found : undefined;
  }

  /** Backups by base name. */
  list(): Map<string, Backup> {
    const parsed = new Map<string, BackupName | undefined>();
    const backups = new Map<string, Backup>();
    for (const name of fs.readdirSync(this.path)) {
      const backup = this.#parsed.has(name) ? this.#parsed.get(name) : this.name.parse(name);
      parsed.set(name, backup);
      if (backup && !(backup.gzip && backups.has(backup.base))) backups.set(backup.base, backup);
    }
    this.#parsed = parsed;
    return backups;
  }

  /**
   * Opens the active file between two equal listings, so that it is newer than every backup in them (open, then verify). Reuses
   * `held` if that is still the active file.
   */
  view(held: Descriptor | undefined): View {
    let before = this.list();
    for (let attempt = 1; ; attempt++) {
      const active = this.#openActive(held);
      const backups = this.list();
      if (sameNames(before, backups)) return { backups, active, settled: true };
      active?.release();
      if (attempt === MOST_LISTINGS) return { backups, active: undefined, settled: false };
      before = backups;
    }
  }

  /** Path of the file elsewhere that the active name links to; undefined if it does not. */
  linkTarget(): string | undefined {
    if (!fs.lstatSync(this.activePath, { throwIfNoEntry: false })?.isSymbolicLink()) return undefined;
    const target = resolve(this.path, fs.readlinkSync(this.activePath));
    return dirname(target) === resolve(this.path) ? undefined : target;
  }

  /** Stat of the active file; undefined if it is missing. */
  statActive(): fs.Stats | undefined {
    return fs.statSync(this.activePath, { throwIfNoEntry: false });
  }

  /** Opens the plain file or, if that is gone, its `.gz`; undefined if neither exists. */
  openBackup(base: string): { descriptor: Descriptor; gzip: boolean } | undefined {
    const path = join(this.path, base);
    const plain = this.#open(path);
    if (plain) return { descriptor: plain, gzip: false };
    const gzip = this.#open(`${path}.gz`);
    return gzip && { descriptor: gzip, gzip: true };
  }

  /** {@link LogFile.hint} as it is now, without opening anything; undefined if the backup is gone. */
  hint({ base, gzip }: Backup): string | undefined {
    const stat = fs.statSync(join(this.path, gzip ? `${base}.gz` : base), { throwIfNoEntry: false });
    return stat && hintOf(stat);
  }

  #openActive(held: Descriptor | undefined): Descriptor | undefined {
    const stat = held && this.statActive();
    if (held && stat && inodeOf(stat) === held.inode) return held.retain();
    return this.#open(this.activePath);
  }

  #open(path: string): Descriptor | undefined {
    try {
      return this.openFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }
}

/** Looks inside a finished file. `first`: its first line, if known already. Throws zlib's error for a damaged `.gz`. */
export async function inspect(descriptor: Descriptor, gzip: boolean, first?: FirstLine): Promise<Inspected> {
  const stat = descriptor.stat();
  return {
    first: first ?? (gzip ? await gzipFirstLine(descriptor) : firstLine(plainRead(descriptor), true)),
    size: gzip ? gzipSize(descriptor) : stat.size,
    exact: !gzip,
    hint: hintOf(stat),
    born: bornAt(stat),
  };
}

/** When a file was created, as far as the file system tells. Epoch milliseconds. */
export function bornAt(stat: fs.Stats): number {
  return stat.birthtimeMs > 0 ? stat.birthtimeMs : stat.mtimeMs;
}

export function hintOf(stat: fs.Stats): string {
  return `${inodeOf(stat)}:${stat.size}:${stat.mtimeMs}`;
}

function onlyLog(path: string): string | undefined {
  const files = fs.readdirSync(path, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const logs = logsAmong(files.map((entry) => entry.name));
  if (logs.length <= 1) return logs[0];
  throw new AuditshipError(
    "AUDITSHIP_SOURCE_PATH",
    `${path} holds several logs: ${logs.join(", ")}. Set the source's path to one of these files.`,
  );
}

function sameNames(a: Map<string, Backup>, b: Map<string, Backup>): boolean {
  if (a.size !== b.size) return false;
  for (const name of a.keys()) if (!b.has(name)) return false;
  return true;
}
