const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}$/;
const ANY_BACKUP = /^(.+)-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}(\.(?!gz$)[^.]*)?(\.gz)?$/;

/** What the name of a rotated file says. */
export interface BackupName {
  /** Name of the plain file, which its `.gz` shares. */
  readonly base: string;
  /** When it was rotated, epoch milliseconds. */
  readonly time: number;
  readonly gzip: boolean;
}

/** The names of one log as lumberjack makes them: `audit.log`, `audit-2006-01-02T15-04-05.000.log[.gz]` (UTC). */
export class LogName {
  readonly #prefix: string;
  readonly #extension: string;

  /** @param active name of the file that is being written to; any name is allowed */
  constructor(readonly active: string) {
    // Like Go's filepath.Ext: from the last dot on, even if that is the first character.
    const dot = active.lastIndexOf(".");
    this.#extension = dot < 0 ? "" : active.slice(dot);
    this.#prefix = `${active.slice(0, active.length - this.#extension.length)}-`;
  }

  /** Takes a name apart; undefined if it is not a backup of this log. */
  parse(name: string): BackupName | undefined {
    if (!name.startsWith(this.#prefix)) return undefined;
    const gzip = name.endsWith(".gz");
    const base = gzip ? name.slice(0, -3) : name;
    if (!base.endsWith(this.#extension)) return undefined;
    const time = parseTime(base.slice(this.#prefix.length, base.length - this.#extension.length));
    return time === undefined ? undefined : { base, time, gzip };
  }

  /** The name of a plain backup rotated at `time` (epoch milliseconds). */
  format(time: number): string {
    return `${this.#prefix}${formatTime(time)}${this.#extension}`;
  }
}

/** Names of the active files of all logs that the files of a directory belong to, sorted. Hidden files do not count. */
export function logsAmong(names: Iterable<string>): string[] {
  const logs = new Set<string>();
  for (const name of names) {
    const backup = ANY_BACKUP.exec(name);
    if (backup) logs.add(backup[1] + (backup[2] ?? ""));
    else if (!name.startsWith(".") && !/\.(gz|\d+)$/.test(name)) logs.add(name);
  }
  return [...logs].sort();
}

function formatTime(time: number): string {
  return new Date(time).toISOString().slice(0, -1).replaceAll(":", "-");
}

function parseTime(text: string): number | undefined {
  if (!TIME.test(text)) return undefined;
  const time = Date.parse(`${text.slice(0, 10)}T${text.slice(11).replaceAll("-", ":")}Z`);
  return !Number.isNaN(time) && formatTime(time) === text ? time : undefined;
}
