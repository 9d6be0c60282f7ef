import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AuditshipError, ByteWriter, type Meter, members } from "../plugin/index.js";

/** An event that a sink refused for good. */
export interface DeadLetter {
  /** {@link EventView.id}. */
  id: string;
  sink: string;
  reason: string;
  /** When it was put aside, RFC 3339. */
  time: string;
  attempts: number;
  /** The redacted line: one JSON object as text. */
  line: string;
  /** Our members of its document, as a JSON object's text: `{"@timestamp":…,"auditship":{…}}`; the position is in it. */
  members: string;
}

/** Which letters; all that is set must hold. */
export interface DeadLetterFilter {
  ids?: ReadonlySet<string>;
  /** Part of the reason. */
  reason?: string;
  /** Epoch milliseconds: put aside at or after, before. */
  since?: number;
  until?: number;
}

export interface DeadLettersOptions {
  /** Bytes on disk. */
  maxSize: number;
  /** park: `add` throws. dropOldest: makes room, and counts what it drops. */
  whenFull: "park" | "dropOldest";
}

/** Bytes that are read or written at once. */
const COPY = 1024 ** 2;

/** Where a sink's dead letters lie. */
export function deadLettersPath(stateDirectory: string, sink: string): string {
  return join(stateDirectory, "dead-letters", `${sink}.ndjson`);
}

/**
 * The dead letters of one sink: an NDJSON file that is only appended to, one letter a line. A line
 * `{"removed":[id,…]}` takes back the letters before it, so that `dlq replay` can work beside a running agent; they are cut
 * out when the agent opens the file or needs the room. Whatever cannot be read or written is AUDITSHIP_DEAD_LETTERS.
 */
export class DeadLetters {
  #file: FileHandle | undefined;
  #size = 0;
  #ids = new IdSet();
  /** Calls wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly path: string,
    private readonly sink: string,
    private readonly options: DeadLettersOptions,
    private readonly meter: Meter,
  ) {}

  /** Opens them for the agent, of which there is one: a half line that a crash left is cut off. */
  static async open(
    stateDirectory: string,
    sink: string,
    options: DeadLettersOptions,
    meter: Meter,
  ): Promise<DeadLetters> {
    const letters = new DeadLetters(deadLettersPath(stateDirectory, sink), sink, options, meter);
    await letters.#guarded(async () => {
      await mkdir(dirname(letters.path), { recursive: true, mode: 0o700 });
      await letters.#load();
      await syncDirectory(dirname(letters.path));
    });
    return letters;
  }

  /** How many are kept. */
  get count(): number {
    return this.#ids.size;
  }

  /**
   * Resolves when they are on disk; one whose id is kept already is skipped. Full: throws and keeps none of them, or drops
   * the oldest, as configured.
   */
  add(letters: readonly DeadLetter[]): Promise<void> {
    return this.#guarded(async () => {
      if (await this.#changedByOthers()) await this.#load();
      const ids = new Set<string>();
      const fresh = letters.filter(({ id }) => !this.#ids.has(id) && !ids.has(id) && ids.add(id));
      const lines = Buffer.from(fresh.map(encode).join(""));
      if (lines.length === 0) return;
      if (this.#size + lines.length > this.options.maxSize) {
        if (this.options.whenFull === "park") this.#throwFull();
        if (lines.length > this.options.maxSize) return this.#lost(fresh.length);
        // Some more than needed, so that a full store is not written anew for each letter.
        await this.#load(this.#size + lines.length - this.options.maxSize + Math.floor(this.options.maxSize / 10));
      }
      await this.#append(lines);
      for (const { id } of fresh) this.#ids.add(id);
      this.#show();
    });
  }

  close(): Promise<void> {
    return this.#guarded(async () => {
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  async #append(lines: Buffer): Promise<void> {
    try {
      await this.#file!.appendFile(lines);
      await this.#file!.datasync();
      this.#size += lines.length;
    } catch (error) {
      await this.#file!.truncate(this.#size).catch(() => {});
      throw error;
    }
  }

  /** True if `dlq replay` took letters back meanwhile. */
  async #changedByOthers(): Promise<boolean> {
    return (await this.#file!.stat()).size !== this.#size;
  }

  /** Reads the file; writes it anew if it holds more than letters, or without the oldest to save `drop` bytes. */
  async #load(drop = 0): Promise<void> {
    let kept = await this.#survey();
    if (kept.size !== (await sizeOf(this.path)) || drop > 0) {
      const before = kept.ids.size;
      await this.#rewrite(drop);
      kept = await this.#survey();
      this.#lost(before - kept.ids.size);
    }
    await this.#file?.close();
    this.#file = await open(this.path, "a", 0o600);
    this.#size = kept.size;
    this.#ids = kept.ids;
    this.#show();
  }

  async #survey(): Promise<{ ids: IdSet; size: number }> {
    const ids = new IdSet();
    let size = 0;
    for await (const { id, bytes } of letters(this.path)) {
      ids.add(id);
      size += bytes.length;
    }
    return { ids, size };
  }

  async #rewrite(drop: number): Promise<void> {
    const target = await open(`${this.path}.new`, "w", 0o600);
    try {
      const out = new ByteWriter(2 * COPY);
      let left = drop;
      for await (const { bytes } of letters(this.path)) {
        if (left > 0) left -= bytes.length;
        else out.copy(bytes);
        if (out.length < COPY) continue;
        await target.appendFile(out.view());
        out.clear();
      }
      await target.appendFile(out.view());
      await target.datasync();
    } finally {
      await target.close();
    }
    await rename(`${this.path}.new`, this.path);
    await syncDirectory(dirname(this.path));
  }

  #lost(count: number): void {
    if (count > 0) this.meter.add("auditship_dead_letters_lost_total", count, this.sink);
  }

  #show(): void {
    this.meter.set("auditship_dead_letters", this.count, this.sink);
  }

  #throwFull(): never {
    throw new AuditshipError(
      "AUDITSHIP_DEAD_LETTERS",
      `the dead letters of sink ${this.sink} are full (${this.options.maxSize} bytes). Replay them (auditship dlq replay) or raise deadLetters.maxSize.`,
      { file: this.path },
    );
  }

  #guarded<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work).catch((cause) => {
      throw asAuditshipError(cause, this.path);
    });
    this.#last = result.catch(() => {});
    return result;
  }
}

/** The letters in a file, oldest first; also while the agent writes. None if there is no such file. */
export async function* readDeadLetters(path: string, filter: DeadLetterFilter = {}): AsyncGenerator<DeadLetter> {
  try {
    for await (const { bytes } of letters(path)) {
      const letter = decode(bytes);
      if (accepts(filter, letter)) yield letter;
    }
  } catch (cause) {
    throw asAuditshipError(cause, path);
  }
}

/** Takes letters back, once their sink has them. Safe while the agent writes. */
export async function removeDeadLetters(path: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  try {
    for (;;) {
      const file = await open(path, "a");
      try {
        // The first newline ends a half line that a crash may have left.
        await file.appendFile(`\n${JSON.stringify({ removed: ids })}\n`);
        await file.datasync();
        // The agent may have written the file anew in between.
        if ((await file.stat()).ino === (await stat(path)).ino) return;
      } finally {
        await file.close();
      }
    }
  } catch (cause) {
    throw asAuditshipError(cause, path);
  }
}

function encode({ line, members: ours, ...head }: DeadLetter): string {
  const { id, ...rest } = head;
  return `${JSON.stringify({ id, ...rest }).slice(0, -1)},"line":${line},"members":${ours}}\n`;
}

/** The letter of a line; its `line` and `members` keep their text. */
function decode(bytes: Buffer): DeadLetter {
  const letter: Record<string, unknown> = {};
  for (const { key, start, end } of members(bytes, 0)) {
    const text = bytes.toString("utf8", start, end);
    letter[key] = key === "line" || key === "members" ? text : JSON.parse(text);
  }
  return letter as unknown as DeadLetter;
}

function accepts(filter: DeadLetterFilter, letter: DeadLetter): boolean {
  const time = Date.parse(letter.time);
  return (
    (!filter.ids || filter.ids.has(letter.id)) &&
    (filter.reason === undefined || letter.reason.includes(filter.reason)) &&
    (filter.since === undefined || time >= filter.since) &&
    (filter.until === undefined || time < filter.until)
  );
}

/** The letters that count: whole, not taken back later, each id once. The bytes are valid until the next is asked for. */
async function* letters(path: string): AsyncGenerator<{ id: string; bytes: Buffer }> {
  const removed = await removals(path);
  const seen = new IdSet();
  for await (const { bytes, offset } of lines(path)) {
    const id = LETTER.exec(bytes.toString("latin1", 0, 256))?.[1];
    if (id === undefined || (removed.get(id) ?? -1) > offset || seen.has(id) || !isJson(bytes)) continue;
    seen.add(id);
    yield { id, bytes };
  }
}

/** Where each id was taken back last. */
async function removals(path: string): Promise<Map<string, number>> {
  const removed = new Map<string, number>();
  for await (const { bytes, offset } of lines(path)) {
    if (!bytes.subarray(0, REMOVED.length).equals(REMOVED) || !isJson(bytes)) continue;
    for (const id of (JSON.parse(bytes.toString()) as { removed: string[] }).removed) removed.set(id, offset);
  }
  return removed;
}

const LETTER = /^\{"id":"([^"\\]+)"/;
const REMOVED = Buffer.from('{"removed":[');

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString("utf8"));
    return true;
  } catch {
    return false;
  }
}

/** The lines of a file, with their newline; not a half one at its end. The bytes are valid until the next is asked for. */
async function* lines(path: string): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!file) return;
  try {
    let buffer = Buffer.allocUnsafe(COPY);
    let length = 0;
    let offset = 0;
    for (;;) {
      if (length === buffer.length) buffer = Buffer.concat([buffer], 2 * buffer.length);
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
      let start = 0;
      for (let end = newline(buffer, start, length); end > 0; end = newline(buffer, start, length)) {
        yield { bytes: buffer.subarray(start, end), offset: offset + start };
        start = end;
      }
      buffer.copyWithin(0, start, length);
      length -= start;
      offset += start;
    }
  } finally {
    await file.close();
  }
}

/** One past the next newline of `buffer[start, length)`; 0 if there is none. */
function newline(buffer: Buffer, start: number, length: number): number {
  const at = buffer.indexOf(0x0a, start);
  return at >= 0 && at < length ? at + 1 : 0;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function asAuditshipError(cause: unknown, file: string): AuditshipError {
  if (cause instanceof AuditshipError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new AuditshipError(
    "AUDITSHIP_DEAD_LETTERS",
    `the dead letters cannot be read or written: ${code ?? message}. Check the space and permissions of the state directory.`,
    { file },
    { cause },
  );
}

/** A set of ids that keeps 64 bits of a hash of each: a full store holds hundreds of thousands. Open addressing. */
class IdSet {
  size = 0;
  #slots = new BigUint64Array(1024);

  has(id: string): boolean {
    return this.#slots[this.#slot(hash(id))] !== 0n;
  }

  add(id: string): void {
    if (2 * this.size >= this.#slots.length) this.#grow();
    const value = hash(id);
    const slot = this.#slot(value);
    if (this.#slots[slot] === 0n) this.size++;
    this.#slots[slot] = value;
  }

  #slot(value: bigint): number {
    const mask = this.#slots.length - 1;
    let slot = Number(value & 0xffffffffn) & mask;
    while (this.#slots[slot] !== 0n && this.#slots[slot] !== value) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const values = this.#slots.filter((value) => value !== 0n);
    this.#slots = new BigUint64Array(2 * this.#slots.length);
    for (const value of values) this.#slots[this.#slot(value)] = value;
  }
}

/** Never 0, which marks a free slot. */
function hash(id: string): bigint {
  return createHash("sha256").update(id).digest().readBigUInt64LE() | 1n;
}
