import { randomBytes } from "node:crypto";
import { type FileHandle, open, readdir, rename, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory, syncDirectory } from "../plugin/index.js";
import { LogName } from "../tail/name.js";
import { type Receipt, Receipts, sha256 } from "./receipts.js";

export interface SpoolOptions {
  /** Made if it is missing, 0700: what lies in it is as secret as the audit log. */
  directory: string;
  /** Most bytes of all files together; beyond it nothing is taken. */
  maxBytes: number;
  /** Size at which the active file is rotated. */
  segmentBytes: number;
  /** Bytes of the disk that are left to others. */
  minFree: number;
}

/** What became of a body: `repeated` was taken before, `full` has no room. */
export type Outcome = "stored" | "repeated" | "full";

/** A body that waits to be written. */
interface Entry {
  body: string;
  lines: readonly Buffer[];
  length: number;
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
}

const MIB = 1024 ** 2;
/** Most bytes written before they are made durable. */
const COMMIT_BYTES = 8 * MIB;

/**
 * Lines on their way, in files that rotate as kube-apiserver's do, so that the same reader reads them. What arrives at the same
 * time is made durable at once.
 */
export class Spool {
  /** The file that is written to. */
  readonly path: string;
  readonly #options: SpoolOptions;
  readonly #now: () => number;
  readonly #name = new LogName("audit.log");
  readonly #receipts: Receipts;
  /** Sizes of rotated files by name. */
  readonly #rotated = new Map<string, number>();
  readonly #waiting: Entry[] = [];
  /** Bodies that are being written, and what becomes of them. */
  readonly #inHand = new Map<string, Promise<Outcome>>();
  #active!: FileHandle;
  #size = 0;
  #segment = 0;
  #lastRotation = 0;
  #committing: Promise<void> | undefined;

  /** @param now epoch milliseconds */
  constructor(options: SpoolOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
    this.path = join(options.directory, this.#name.active);
    this.#receipts = new Receipts(join(options.directory, ".receipts"));
  }

  /** Bytes of all files together, with what waits to be written. */
  get bytes(): number {
    let bytes = this.#size;
    for (const size of this.#rotated.values()) bytes += size;
    for (const { length } of this.#waiting) bytes += length;
    return bytes;
  }

  /** Makes ready what an earlier run left. Rejects with the system's errors. */
  async open(): Promise<void> {
    const { directory } = this.#options;
    await makeDirectory(directory);
    for (const name of await readdir(directory)) {
      const backup = this.#name.parse(name);
      if (!backup) continue;
      this.#rotated.set(name, (await stat(join(directory, name))).size);
      this.#lastRotation = Math.max(this.#lastRotation, backup.time);
    }
    this.#active = await open(this.path, "a+", 0o600);
    this.#size = await cutTornLine(this.#active, 0);
    this.#segment = await this.#receipts.open(this.#now(), (receipt) => this.#holds(receipt));
    await this.#active.datasync();
    await syncDirectory(directory);
  }

  /**
   * Resolves when the lines are durable, or were before. Rejects if they cannot be written: then the same body is to come again.
   * @param body what came, as it was sent
   */
  put(body: Uint8Array, lines: readonly Buffer[]): Promise<Outcome> {
    const digest = sha256(body);
    const before = this.#inHand.get(digest);
    if (before) return before.then((outcome) => (outcome === "stored" ? "repeated" : outcome));
    if (this.#receipts.has(digest, this.#now())) return Promise.resolve("repeated");
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    if (this.bytes + length > this.#options.maxBytes) return Promise.resolve("full");
    const outcome = new Promise<Outcome>((resolve, reject) => {
      this.#waiting.push({ body: digest, lines, length, resolve, reject });
    });
    this.#inHand.set(digest, outcome);
    void outcome.catch(() => {}).finally(() => this.#inHand.delete(digest));
    this.#committing ??= this.#commitAll();
    return outcome;
  }

  /** Deletes rotated files that nobody needs any more. The newest stays: its receipts are not yet beyond doubt. */
  async release(names: readonly string[]): Promise<void> {
    const newest = [...this.#rotated.keys()].sort().at(-1);
    for (const name of names) {
      if (name === newest || !this.#rotated.has(name)) continue;
      await unlink(join(this.#options.directory, name)).catch(ignoreMissing);
      this.#rotated.delete(name);
    }
  }

  /** Resolves when what waits is written. */
  async close(): Promise<void> {
    await this.#committing;
    await this.#receipts.close();
    await this.#active?.close();
  }

  async #commitAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#take();
      try {
        await this.#commit(entries);
        // What goes wrong here is tried again after the next commit, which tells if the disk fails.
        if (this.#size >= this.#options.segmentBytes) await this.#rotate().catch(() => {});
        for (const entry of entries) entry.resolve("stored");
      } catch (error) {
        for (const entry of entries) entry.reject(error as Error);
        // Whole lines may be read already and stay; their bodies come again.
        this.#size = await cutTornLine(this.#active, this.#size).catch(() => this.#size);
      }
    }
    this.#committing = undefined;
  }

  /** The next bodies to be made durable together. */
  #take(): Entry[] {
    let bytes = 0;
    let count = 0;
    // Not much beyond a segment: files that nobody reads any more, the newest two, are not to fill the spool.
    const most = Math.min(COMMIT_BYTES, this.#options.segmentBytes);
    while (count < this.#waiting.length && (count === 0 || bytes < most)) bytes += this.#waiting[count++].length;
    return this.#waiting.splice(0, count);
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    await this.#requireRoom(entries.reduce((sum, { length }) => sum + length, 0));
    const time = this.#now();
    const beginning = this.#size === 0 ? ownBeginning() : Buffer.alloc(0);
    let offset = this.#size + beginning.length;
    const receipts = entries.map(({ body, lines, length }): Receipt => {
      const receipt = { time, body, segment: this.#segment, offset, length, lines: sha256(...lines) };
      offset += length;
      return receipt;
    });
    await this.#receipts.write(receipts);
    await this.#active.appendFile(Buffer.concat([beginning, ...entries.flatMap(({ lines }) => lines)]));
    await Promise.all([this.#receipts.sync(), this.#active.datasync()]);
    this.#size = offset;
    this.#receipts.accept(receipts);
  }

  /** A write that fails in the middle leaves lines that may be read at once, and come again: one that will fail is not begun. */
  async #requireRoom(bytes: number): Promise<void> {
    const { directory, minFree } = this.#options;
    const { bavail, bsize } = await statfs(directory);
    const [free, needed] = [bavail * bsize, bytes + minFree];
    if (free >= needed) return;
    const inMiB = (count: number) => `${(count / MIB).toFixed(1)} MiB`;
    throw new Error(`${inMiB(free)} are free for the spool ${directory}, and ${inMiB(needed)} are needed`);
  }

  /** As lumberjack does it; names are in order even where the clock is not. */
  async #rotate(): Promise<void> {
    this.#lastRotation = Math.max(this.#now(), this.#lastRotation + 1);
    const name = this.#name.format(this.#lastRotation);
    const rotated = join(this.#options.directory, name);
    await rename(this.path, rotated);
    const next = await open(this.path, "a+", 0o600).catch(async (error) => {
      await rename(rotated, this.path);
      throw error;
    });
    await this.#active.close();
    this.#active = next;
    this.#rotated.set(name, this.#size);
    this.#size = 0;
    await syncDirectory(this.#options.directory);
    await this.#receipts.compact(this.#now());
    // Not before receipts of bodies that could not be written are gone: those of earlier segments are believed.
    this.#segment++;
  }

  /** True if a receipt's lines are where it says: in the active file, or in the one rotated last. */
  async #holds({ offset, length, lines }: Receipt): Promise<boolean> {
    const newest = [...this.#rotated.keys()].sort().at(-1);
    for (const path of [this.path, ...(newest ? [join(this.#options.directory, newest)] : [])]) {
      const file = await open(path);
      try {
        const bytes = Buffer.alloc(length);
        const { bytesRead } = await file.read(bytes, 0, length, offset);
        if (bytesRead === length && sha256(bytes) === lines) return true;
      } finally {
        await file.close();
      }
    }
    return false;
  }
}

/**
 * A blank line that no other file begins with. A file is known by its first line, and who posts may post an event twice: the second
 * file that began with it would be taken for a copy of the first.
 */
function ownBeginning(): Buffer {
  const bits = randomBytes(8).readBigUInt64LE().toString(2).padStart(64, "0");
  return Buffer.from(`${bits.replaceAll("0", " ").replaceAll("1", "\t")}\n`);
}

/** Cuts what stands behind the last newline, as far as that is behind `from`. @returns the size that is left */
async function cutTornLine(file: FileHandle, from: number): Promise<number> {
  const { size } = await file.stat();
  const step = Buffer.alloc(64 * 1024);
  for (let end = size; end > from; ) {
    const start = Math.max(from, end - step.length);
    const { bytesRead } = await file.read(step, 0, end - start, start);
    const newline = step.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (newline >= 0 || start === from) {
      const length = start + newline + 1;
      if (length < size) await file.truncate(length);
      return length;
    }
    end = start;
  }
  return size;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
