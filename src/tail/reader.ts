import { setImmediate as nextTurn } from "node:timers/promises";
import {
  AuditshipError,
  type ByteRange,
  type Chunk,
  comparePositions,
  NEWLINE,
  type Position,
  type Reader,
  type SourceContext,
  SPACE,
  type StartPoint,
  type StoredPosition,
} from "../plugin/index.js";
import { type ByteSource, CutError, ReplacedError } from "./byte-source.js";
import { eventTime } from "./event-time.js";
import type { LogFile } from "./file-table.js";
import { shortFingerprint } from "./fingerprint.js";
import { endOfLastLine, hashOf, LongLine, type LongLineResult, nulsAt } from "./lines.js";
import type { Log } from "./log.js";
import { addMark } from "./marks.js";

/** Milliseconds of reading after which other work gets its turn. */
const TURN = 10;
/** Bytes read at a time in the search for a start. */
const SEEK_BYTES = 256 * 1024;

/** The result of one attempt to read. `wait`: nothing more at the moment. `limit`: nothing more before the limit. */
type Step = Chunk | "again" | "wait" | "limit";

/** How long lines are handled. */
export type LongLines = Pick<SourceContext, "maxLine" | "extractor">;

/** One stream over a log: walks the file table, oldest file first, and hands out whole lines. */
export class LogReader implements Reader {
  readonly #log: Log;
  readonly #long: LongLine;
  readonly #onClose: () => void;
  /** Where to begin; undefined once that place is found. */
  #start: StartPoint | undefined;
  /** Lines before this time (epoch milliseconds) are skipped, up to the first that is not. */
  #since: number | undefined;
  readonly #fromBeginning: boolean;
  /** Ranges after the start that were delivered before. */
  readonly #delivered: readonly ByteRange[];
  #file: LogFile | undefined;
  #bytes: ByteSource | undefined;
  /** Where the next chunk starts in `#file`. */
  #offset = 0;
  /** One past the last byte of `#file` that was looked at. */
  #seen = 0;
  /** `#file` was read to its end. */
  #done = false;
  /** The last read got everything written so far. */
  #drained = false;
  /** The log's version before that read. Until it changes, reading on would return lines one by one as they are written. */
  #edge: number | undefined;
  /** Where in `#file` a whole event begins that was found on a torn line. */
  #salvaged: number | undefined;
  #closed = false;
  /** The last call of `next`, until it is answered. */
  #reading: Promise<unknown> = Promise.resolve();
  #turn = performance.now();

  constructor(log: Log, start: StartPoint, { maxLine, extractor }: LongLines, onClose: () => void) {
    this.#log = log;
    this.#start = start;
    this.#fromBeginning = start.at === "beginning";
    this.#delivered = (start.at === "position" && start.done) || [];
    this.#long = new LongLine(maxLine, extractor);
    this.#onClose = onClose;
  }

  /** Goes to where it is to begin, as far as that is known now. */
  async open(): Promise<this> {
    // For a log that does not exist yet, the end is the present moment.
    if (this.#start?.at === "end" && !this.#log.complete) this.#start = { at: "time", time: this.#log.now() };
    try {
      await this.#enter();
      if (this.#since !== undefined) await this.#seek();
    } catch (error) {
      this.#failed(error as Error);
    }
    return this;
  }

  next(into: Uint8Array, { limit, signal }: { limit?: Position; signal?: AbortSignal } = {}) {
    const reading = this.#read(into, limit, signal);
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  unread(count: number): void {
    this.#offset -= count;
    this.#seen = this.#offset;
    this.#edge = undefined;
  }

  position(): Position | undefined {
    if (this.#file) return { file: this.#file.ref, offset: this.#offset };
    if (this.#start) return undefined;
    const first = this.#fromBeginning ? this.#log.firstUnread() : this.#log.next(Number.NEGATIVE_INFINITY);
    return first && { file: first.ref, offset: first.gone ? (first.read ?? 0) : 0 };
  }

  atEnd(): boolean {
    if (this.#log.next(this.#file?.ref.ordinal ?? Number.NEGATIVE_INFINITY)) return false;
    if (!this.#file || this.#done) return true;
    return (this.#bytes?.size() ?? this.#file.size) <= Math.max(this.#offset, this.#seen);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#log.wake();
    await this.#reading;
    this.#leave();
    this.#long.reset();
    this.#onClose();
  }

  async #read(into: Uint8Array, limit?: Position, signal?: AbortSignal): Promise<Chunk | undefined> {
    while (!signal?.aborted && !this.#closed && !this.#log.closed) {
      // Taken first, so that no later wake-up is missed, not even its own closing.
      const { version } = this.#log;
      await this.#giveTurn();
      if (this.#edge !== undefined && !limit) {
        await this.#log.changed(this.#edge, signal);
        this.#edge = undefined;
        continue;
      }
      const step = this.#reached(limit) ? "limit" : await this.#tryStep(into, limit);
      if (typeof step === "object") {
        this.#edge = this.#drained && !this.#log.once ? version : undefined;
        return step;
      }
      if (step === "limit") return undefined;
      if (step === "again") continue;
      if (this.#long.length === 0) this.#long.reset();
      if (!this.#log.once) await this.#log.changed(version, signal);
      else if (await this.#hasEnded()) return undefined;
    }
    return undefined;
  }

  /** Lets timers and sockets run: reads that are answered at once would block them. */
  async #giveTurn(): Promise<void> {
    if (performance.now() - this.#turn < TURN) return;
    await nextTurn();
    this.#turn = performance.now();
  }

  #reached(limit: Position | undefined): boolean {
    const at = limit && this.position();
    return at !== undefined && comparePositions(at, limit!) >= 0;
  }

  async #tryStep(into: Uint8Array, limit?: Position): Promise<Step> {
    try {
      if (!(await this.#enter(limit))) return "wait";
      if (this.#reached(limit)) return "limit";
      const step = await this.#step(into, limit);
      this.#log.reports.resolve(this.#log.nameOf(this.#file), "read");
      return step;
    } catch (error) {
      if (error instanceof CutError) {
        this.#log.cut(this.#file!);
        return "again";
      }
      if (!(error instanceof ReplacedError)) return this.#failed(error as NodeJS.ErrnoException);
      this.#leave();
      this.#long.reset();
      await this.#log.scan();
      return "again";
    }
  }

  async #step(into: Uint8Array, limit: Position | undefined): Promise<Step> {
    const file = this.#file!;
    if (this.#offset > (file.read ?? 0)) this.#goBack();
    // Asked before the read: the last line is complete only if nothing could be written any more.
    const { finished } = file;
    this.#drained = false;
    const room = limit?.file.ordinal === file.ref.ordinal ? limit.offset - this.#offset : Number.POSITIVE_INFINITY;
    if (this.#long.length > 0) return this.#longLine(into, room, finished);

    const count = await this.#bytes!.read(into, this.#offset);
    const usable = Math.min(count, room);
    this.#drained = !finished && count < into.length && usable === count;
    const nuls = nulsAt(into, 0, usable);
    if (nuls > 0) return nuls === count && count < into.length && !finished ? "wait" : this.#skip(nuls);
    this.#seen = this.#offset + usable;
    const whole = endOfLastLine(into, usable);
    if (whole > 0) return this.#give(into, whole);
    if (usable < count) return "limit";
    if (count === into.length) return this.#longLine(into, room, finished);
    if (finished && count > 0) return this.#give(into, count);
    if (!finished) return count === 0 && this.#bytes!.size()! < this.#offset ? this.#beyond(file) : "wait";
    this.#finish();
    return "again";
  }

  async #longLine(into: Uint8Array, room: number, finished: boolean): Promise<Step> {
    const result = await this.#long.read(this.#bytes!, this.#offset, into, finished);
    this.#seen = this.#offset + this.#long.length;
    if (result.kind === "open") return "wait";
    if (result.kind === "more") return "again";
    const size = result.kind === "line" ? result.length : result.skipped;
    if (size > room) return "limit";
    return result.kind === "line" ? this.#give(result.bytes, result.length) : this.#oversized(into, result);
  }

  async #oversized(into: Uint8Array, line: LongLineResult & { kind: "oversized" }): Promise<Step> {
    const offset = this.#offset;
    const { skipped, length, sha256, found } = line;
    if (found?.kind === "event" && this.#isEarly(found.bytes)) {
      this.#advance(skipped);
      return "again";
    }
    this.#since = undefined;
    if (found?.kind === "torn") {
      const end = offset + found.at;
      const torn = {
        skipped: found.at,
        length: found.at,
        sha256: await hashOf(this.#bytes!, offset, end, into),
        torn: true,
      };
      this.#advance(found.at);
      this.#salvaged = end;
      return { bytes: into, length: 0, file: this.#file!.ref, offset, oversized: torn };
    }
    this.#advance(skipped);
    const bytes = found?.bytes ?? into;
    const oversized = { skipped, length, sha256, dropped: found?.dropped };
    return { bytes, length: found ? bytes.length : 0, file: this.#file!.ref, offset, oversized };
  }

  /** True for an event from before `since`. */
  #isEarly(line: Uint8Array): boolean {
    const time = this.#since === undefined ? undefined : eventTime(line);
    return time !== undefined && time < this.#since!;
  }

  #give(bytes: Uint8Array, length: number): Step {
    if (this.#since !== undefined) return this.#pass(bytes, length, this.#since);
    const file = this.#file!;
    const offset = this.#offset;
    const tail = bytes.subarray(Math.max(0, length - SEEK_BYTES), length);
    file.lastEvent = eventTime(tail) ?? file.lastEvent;
    this.#advance(length);
    if (!file.finished) addMark(file.marks, this.#offset, bytes.subarray(0, length));
    const salvaged = this.#salvaged === offset;
    return { bytes, length, file: file.ref, offset, ...(salvaged && { salvaged }) };
  }

  /**
   * Skips a hole, which a writer without O_APPEND leaves after a truncation, or a power failure. At the end of a file that is being
   * written to, a hole may still be filled, so the caller waits there.
   */
  #skip(count: number): Step {
    this.#advance(count);
    return "again";
  }

  #advance(count: number): void {
    this.#offset += count;
    this.#seen = Math.max(this.#seen, this.#offset);
    this.#file!.read = Math.max(this.#file!.read ?? 0, this.#offset);
  }

  /** Skips lines from before `since`. */
  #pass(bytes: Uint8Array, length: number, since: number): Step {
    let at = 0;
    while (at < length) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 || newline >= length ? length : newline + 1;
      const line = bytes.subarray(at, end);
      const time = eventTime(line);
      if (time === undefined ? !isBlank(line) : time >= since) {
        this.#since = undefined;
        break;
      }
      at = end;
    }
    this.#advance(at);
    return "again";
  }

  /** Looks for the first line that is not before `#since`, up to the log's current end. */
  async #seek(): Promise<void> {
    const work = Buffer.allocUnsafe(SEEK_BYTES);
    while (this.#since !== undefined && (await this.#tryStep(work)) !== "wait") await this.#giveTurn();
  }

  /** Opens the file to read from; false if there is none at the moment. */
  async #enter(limit?: Position): Promise<boolean> {
    if (this.#start && !(await this.#begin(this.#start))) return false;
    while (!this.#bytes) {
      if (this.#file && !this.#done && (await this.#open(this.#file))) {
        // So that a hole of a gigabyte is not read again.
        this.#advance(Math.max(0, (this.#bytes!.hole ?? 0) - this.#offset));
        break;
      }
      const next = this.#log.next(this.#file?.ref.ordinal ?? Number.NEGATIVE_INFINITY);
      if (!next) return false;
      if (this.#file)
        this.#log.lose(this.#file, this.#done ? Number.POSITIVE_INFINITY : this.#offset, next, {
          done: this.#delivered,
          limit,
        });
      else if (this.#fromBeginning) this.#log.loseUnread(next);
      this.#goTo(next, 0);
    }
    return true;
  }

  /** False if the file is gone. */
  async #open(file: LogFile): Promise<boolean> {
    this.#bytes = this.#log.openFile(file);
    if (this.#bytes) return true;
    await this.#log.scan();
    this.#bytes = this.#log.openFile(file);
    if (this.#bytes) return true;
    if (file.gone) return false;
    throw this.#log.failure ?? new Error("It is not found under its name.");
  }

  /** Finds where to begin; false if that is not known yet. */
  async #begin(start: StartPoint): Promise<boolean> {
    if (start.at !== "beginning" && !this.#log.complete) return false;
    if (start.at === "position" && !this.#beginAtPosition(start.position)) return false;
    if (start.at === "time") this.#beginAtTime(start.time);
    if (start.at === "end") await this.#beginAtEnd();
    this.#start = undefined;
    return true;
  }

  #beginAtPosition({ file: fingerprint, offset }: StoredPosition): boolean {
    const file = this.#log.table.get(fingerprint);
    if (file) {
      this.#goTo(file, offset);
      return true;
    }
    if (!this.#log.next(Number.NEGATIVE_INFINITY)) return false;
    this.#log.reports.lost({ reason: "unseen", bytes: 0, file: shortFingerprint(fingerprint) });
    return true;
  }

  /** Skips backups that were rotated before `time`, without reading them. */
  #beginAtTime(time: number): void {
    this.#since = time;
    for (const file of this.#log.table.files) {
      if (!this.#log.isReadable(file)) continue;
      this.#goTo(file, 0);
      this.#done = file.rotated !== undefined && file.rotated < time;
      if (!this.#done) return;
    }
  }

  /** Begins after the last complete line. */
  async #beginAtEnd(): Promise<void> {
    const last = this.#log.table.last();
    if (!last) return;
    this.#goTo(last, 0);
    if (last.finished) {
      this.#goTo(last, last.exact ? last.size : await this.#sizeOf(last));
      this.#done = true;
    } else if (await this.#open(last)) await this.#beginBehindLastLine(last);
  }

  async #beginBehindLastLine(file: LogFile): Promise<void> {
    const block = Buffer.allocUnsafe(SEEK_BYTES);
    let end = this.#bytes!.size() ?? 0;
    while (end > 0 && this.#offset === 0) {
      const start = Math.max(0, end - block.length);
      const count = await this.#bytes!.read(block.subarray(0, end - start), start);
      const whole = endOfLastLine(block, count);
      if (whole > 0) this.#goTo(file, start + whole);
      end = start;
    }
  }

  /** Decompressed bytes of a backup whose size is only a guess; 0 if it is gone. */
  async #sizeOf(file: LogFile): Promise<number> {
    if (!(await this.#open(file))) return 0;
    const block = Buffer.allocUnsafe(SEEK_BYTES);
    let size = 0;
    for (let count = -1; count !== 0; size += count) count = await this.#bytes!.read(block, size);
    this.#leave();
    return size;
  }

  #goTo(file: LogFile, offset: number): void {
    this.#file = file;
    this.#offset = offset;
    this.#seen = offset;
    file.read = Math.max(file.read ?? 0, offset);
    this.#done = false;
    this.#salvaged = undefined;
  }

  /** Handles a file that is shorter than the offset to read from. */
  #beyond(file: LogFile): "again" {
    this.#log.cut(file);
    return "again";
  }

  /** Goes back in a file that was shortened below what was read of it: what follows is new. */
  #goBack(): void {
    this.#long.reset();
    this.#goTo(this.#file!, this.#file!.read ?? 0);
  }

  /** Handles the end of a file. */
  #finish(): void {
    const damage = this.#bytes!.damage;
    if (damage) this.#log.loseDamaged(this.#file!, this.#offset, damage);
    else Object.assign(this.#file!, { size: this.#offset, exact: true, grown: undefined });
    this.#done = true;
    this.#leave();
  }

  #leave(): void {
    this.#bytes?.close();
    this.#bytes = undefined;
  }

  #failed(error: NodeJS.ErrnoException): "wait" {
    const path = this.#log.nameOf(this.#file);
    if (this.#log.once) throw unreadable(path, error);
    this.#log.reports.complain("read", path, "An audit file cannot be read; trying again.", error);
    // A stale handle never recovers. Any other may be the only way to a deleted file, so it is kept.
    if (error.code === "ESTALE") this.#leave();
    this.#log.retryLater(error);
    return "wait";
  }

  /** In a `once` run: true if everything was read. */
  async #hasEnded(): Promise<boolean> {
    await this.#log.scan();
    if (this.#log.failure) throw unreadable(this.#log.nameOf(this.#file), this.#log.failure);
    const next = this.#log.next(this.#file?.ref.ordinal ?? Number.NEGATIVE_INFINITY);
    return next === undefined && (!this.#file?.finished || this.#done);
  }
}

const isBlank = (line: Uint8Array): boolean => line.every((byte) => byte <= SPACE);

function unreadable(path: string, cause: Error): AuditshipError {
  if (cause instanceof AuditshipError) return cause;
  const what = `cannot be read: ${cause.message}. Check the file and the agent's rights.`;
  return new AuditshipError("AUDITSHIP_SOURCE_READ", what, { file: path }, { cause });
}
