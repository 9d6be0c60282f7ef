import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { gzip, gzipSync } from "node:zlib";
import {
  ByteWriter,
  type FoldingSink,
  type Selection,
  type SinkHost,
  type SinkState,
} from "../../../src/plugin/index.js";
import { ActiveFile } from "./active.js";
import { backupPath, HEAD_BYTES, headOf, listBackups, type Mark, prune, rewind } from "./backups.js";
import { FreeSpace } from "./free-space.js";
import { tryDirectory, tryFile } from "./probe.js";

export interface ArchiveOptions {
  path: string;
  /** Bytes as stored. */
  maxSize: number;
  rotateDaily: boolean;
  /** 0 keeps all. */
  maxBackups: number;
  /** Milliseconds; undefined keeps them for ever. */
  retention?: number;
  gzip: boolean;
  /** checkpoint: in `flush`. */
  fsync: "checkpoint" | "always" | "never";
  /** Bytes that have to stay free on the file system. */
  minFree: number;
}

/** Lines are gathered up to here before they become a gzip member of their own. */
const MEMBER_BYTES = 256 * 1024;
/** Memory for lines that is kept between folds. */
const KEPT_BYTES = 8 * 1024 * 1024;
const PRUNE_EVERY = 3_600_000;
/** As everywhere in the agent: archives are read seldom, and the node's CPU is the cluster's. */
const COMPRESSION = { level: 1, memLevel: 9 };
const compress = promisify(gzip);

/**
 * An archive of NDJSON in a file that is rotated by size and day: {@link state} names the
 * length up to which events are acknowledged, {@link restore} cuts the file back to it. With gzip, lines are gathered
 * in memory; a call of `state` closes the member that they make, so that its length is one to cut at.
 */
export class Archive implements FoldingSink {
  readonly mode = "fold";
  readonly #options: ArchiveOptions;
  readonly #host: SinkHost;
  readonly #space: FreeSpace;
  #file: ActiveFile | undefined;
  #sequence = 1;
  /** UTC day of writing, `YYYY-MM-DD`. */
  #day = "";
  /** Acknowledged bytes of the file, written or sealed. */
  #length = 0;
  #head: Uint8Array = new Uint8Array(0);
  /** Lines of the fold under way. */
  #lines = new ByteWriter();
  /** gzip: lines of earlier folds that are in no member yet. */
  readonly #gathered = new ByteWriter(MEMBER_BYTES);
  /** gzip: members that are not written yet. */
  #sealed: Uint8Array[] = [];
  #work: Promise<unknown> = Promise.resolve();
  /** The state before anything was folded, for a cursor that has none. */
  #first: SinkState | undefined;
  /** File numbers of the last two states: one of them is on disk, and its file is needed to restore it. */
  #named: [number, number] = [0, 0];
  /** When all rotated files were looked at. */
  #prunedAt = 0;
  /** Bytes of the batch that found no room, 0 since one did. */
  #unfit = 0;

  constructor(options: ArchiveOptions, host: SinkHost) {
    const path = host.resolve(storedPath(options));
    this.#options = { ...options, path };
    this.#host = host;
    this.#space = new FreeSpace(dirname(path), options.minFree);
  }

  restore(state: SinkState | undefined): Promise<void> {
    return this.#alone(() => this.#reopen(state ?? this.#first));
  }

  fold(events: Selection): Promise<void> {
    if (this.#lines.bytes.length > KEPT_BYTES) this.#lines = new ByteWriter();
    this.#lines.clear();
    for (const event of events) {
      event.writeDocument(this.#lines);
      this.#lines.byte(0x0a);
    }
    return this.#alone(async () => {
      const lines = this.#lines.view();
      this.#unfit = lines.length;
      await this.#take(lines);
      this.#unfit = 0;
    });
  }

  state(): SinkState {
    this.#seal();
    this.#named = [this.#named[1], this.#sequence];
    return { ...this.#mark() };
  }

  flush(): Promise<void> {
    return this.#alone(async () => {
      await this.#keepPlace();
      await this.#drain();
      await this.#sync();
      if (this.#host.now() - this.#prunedAt > PRUNE_EVERY) await this.#prune();
    });
  }

  async probe(): Promise<void> {
    const { path } = this.#options;
    // What is too old may be what fills the disk.
    if (this.#file) await this.#alone(() => this.#prune());
    try {
      await tryFile(path);
      await tryDirectory(dirname(path), `${path}.probe`);
      await this.#space.requireToGoOn(this.#unfit);
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  close(): Promise<void> {
    return this.#alone(async () => {
      this.#seal();
      await this.#drain();
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  async #reopen(state: SinkState | undefined): Promise<void> {
    const mark = asMark(state);
    if (this.#file && mark && this.#isAt(mark)) return;
    await this.#file?.close();
    this.#file = undefined;
    this.#gathered.clear();
    this.#sealed = [];
    const rewound = mark !== undefined && (await rewind(mark));
    if (mark && !rewound) {
      this.#host.log.warn(
        { path: mark.path, length: mark.length },
        "the archive is not the one that was written: it is left as it is, and events may stand in it twice",
      );
    }
    const ours = rewound && mark.path === this.#options.path;
    await this.#begin(ours ? mark.sequence : undefined);
    this.#named = [this.#sequence, this.#sequence];
    this.#first ??= { ...this.#mark() };
    await this.#prune();
  }

  /** Opens the file as number `sequence`; undefined: a file that others wrote, or none, numbered after all backups. */
  async #begin(sequence: number | undefined): Promise<void> {
    const { path, gzip } = this.#options;
    let file = await ActiveFile.open(path);
    this.#day = day(await file.writtenAt());
    this.#sequence = sequence ?? ((await listBackups(path)).at(-1)?.sequence ?? 0) + 1;
    if (sequence === undefined && gzip && file.length > 0) {
      // It may end in half a member, behind which nothing could be read.
      file = await this.#succeed(file);
      this.#sequence++;
    } else if (sequence === undefined && !(await file.endsLine())) {
      await file.append(Buffer.from("\n"));
    }
    this.#file = file;
    this.#length = file.length;
    this.#head = await file.head();
  }

  /** Begins anew if others moved, deleted or cut the file: what is written to a deleted one is gone. */
  async #keepPlace(): Promise<void> {
    const file = this.#file;
    if (!file || (await file.isIntact())) return;
    const { path } = this.#options;
    this.#host.log.warn({ path }, "the archive was moved, deleted or cut: it goes on in what is at its path now");
    await this.#sync();
    await this.#begin(undefined);
    await file.close();
    for (const member of this.#sealed) this.#advance(member);
  }

  async #take(lines: Uint8Array): Promise<void> {
    await this.#keepPlace();
    await this.#space.require(lines.length);
    if (this.#length + this.#gathered.length === 0) this.#day = day(this.#host.now());
    else if (this.#mustRotate(lines.length)) await this.#rotate();
    if (!this.#options.gzip) return this.#write(lines);
    if (this.#options.fsync === "always") return this.#write(await compress(lines, COMPRESSION));
    if (this.#gathered.length + lines.length > MEMBER_BYTES) {
      this.#seal();
      await this.#drain();
    }
    if (lines.length > MEMBER_BYTES) return this.#write(await compress(lines, COMPRESSION));
    this.#gathered.copy(lines);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#append(bytes);
    this.#advance(bytes);
  }

  /** Closes the member of what is gathered: from here on it counts as a part of the file. */
  #seal(): void {
    if (this.#gathered.length === 0) return;
    const member = gzipSync(this.#gathered.view(), COMPRESSION);
    this.#gathered.clear();
    this.#sealed.push(member);
    this.#advance(member);
  }

  async #drain(): Promise<void> {
    while (this.#sealed.length > 0) {
      await this.#append(this.#sealed[0]);
      this.#sealed.shift();
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (!this.#file) throw new Error("it is not open");
    await this.#file.append(bytes, this.#options.fsync === "always");
    this.#host.meter.add("auditship_sink_bytes_total", bytes.length, this.#host.name);
  }

  async #sync(): Promise<void> {
    if (this.#options.fsync !== "never") await this.#file?.sync();
  }

  #advance(bytes: Uint8Array): void {
    if (this.#head.length < HEAD_BYTES) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD_BYTES - this.#head.length)]);
    }
    this.#length += bytes.length;
  }

  #mark(): Mark {
    return {
      path: this.#options.path,
      sequence: this.#sequence,
      length: this.#length,
      head: headOf(this.#head),
    };
  }

  /** True if nothing was acknowledged since `mark`. */
  #isAt({ path, sequence, length }: Mark): boolean {
    const { path: active } = this.#options;
    return path === active && sequence === this.#sequence && length === this.#length && this.#gathered.length === 0;
  }

  #mustRotate(more: number): boolean {
    const { gzip, maxSize, rotateDaily } = this.#options;
    // How much gzip will make of the lines is not known: its files end up to one batch above the limit.
    return this.#length + (gzip ? 0 : more) > maxSize || (rotateDaily && day(this.#host.now()) !== this.#day);
  }

  async #rotate(): Promise<void> {
    this.#seal();
    await this.#drain();
    if (!this.#file) throw new Error("it is not open");
    await this.#sync();
    this.#file = await this.#succeed(this.#file);
    this.#sequence++;
    this.#length = 0;
    this.#head = new Uint8Array(0);
    this.#day = day(this.#host.now());
    await this.#prune();
  }

  /** Renames the file to its backup's name and opens a new one in its place; what fails is undone. */
  async #succeed(file: ActiveFile): Promise<ActiveFile> {
    const { path } = this.#options;
    const backup = backupPath(path, this.#day, this.#sequence);
    await rename(path, backup);
    // Opening a new file makes the directory durable, and so the rename.
    const next = await ActiveFile.open(path).catch(async (error) => {
      await rename(backup, path);
      throw error;
    });
    await file.close();
    return next;
  }

  async #prune(): Promise<void> {
    const { path, maxBackups, retention } = this.#options;
    const now = this.#host.now();
    const all = now - this.#prunedAt > PRUNE_EVERY;
    if (all) this.#prunedAt = now;
    const oldest = retention === undefined ? 0 : now - retention;
    await prune(path, { below: this.#named[0], keep: maxBackups, oldest, all }).catch((error: Error) =>
      this.#host.log.warn({ path, error: error.message }, "cannot delete old archive files"),
    );
  }

  /** Runs `work` after what runs already: folds, flushes and restores never overlap. */
  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work).catch((cause) => {
      throw this.#failure(cause);
    });
    this.#work = done.catch(() => {});
    return done;
  }

  #failure(cause: unknown): Error {
    const { code, message } = cause as NodeJS.ErrnoException;
    const advice = code === "ENOSPC" || code === "EDQUOT" ? " Free space there, or lower retention or maxBackups." : "";
    const error = new Error(`cannot write the archive ${this.#options.path}: ${message}.${advice}`, { cause });
    return Object.assign(error, { slow: OPERATORS.has(code ?? "") });
  }
}

/** Where the file lies: compressed ones end in `.gz`. */
export const storedPath = ({ path, gzip }: Pick<ArchiveOptions, "path" | "gzip">): string =>
  gzip && !path.endsWith(".gz") ? `${path}.gz` : path;

/** What only an operator can mend: a full disk, a missing right. */
const OPERATORS: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"]);

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);

function asMark(state: SinkState | undefined): Mark | undefined {
  const { path, sequence, length, head } = state ?? {};
  if (typeof path !== "string" || !isCount(sequence) || !isCount(length)) return undefined;
  return { path, sequence, length, head: String(head) };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
