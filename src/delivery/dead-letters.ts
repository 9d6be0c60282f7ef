import type { Stats } from "node:fs";
import { type FileHandle, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { AuditshipError, ByteWriter, type Meter, makeDirectory, syncDirectory } from "../plugin/index.js";
import { asAuditshipError, type DeadLetter, deadLettersPath, encode, letters } from "./dead-letter-file.js";
import { IdSet } from "./id-set.js";

export interface DeadLettersOptions {
  /** Bytes on disk. */
  maxSize: number;
  /** park: `add` throws. dropOldest: makes room, and counts what it drops. */
  whenFull: "park" | "dropOldest";
}

/** Bytes that are written at once. */
const COPY = 1024 ** 2;

/**
 * The dead letters of one sink: an NDJSON file that is only appended to, one letter a line. A line
 * `{"removed":[id,…]}` takes back the letters before it, so that `dlq replay` can work beside a running agent; they are cut
 * out when the agent opens the file or needs the room. Whatever cannot be read or written is AUDITSHIP_DEAD_LETTERS.
 */
export class DeadLetters {
  readonly path: string;
  #file: FileHandle | undefined;
  #size = 0;
  #ids = new IdSet();
  /** Bytes that were refused because they did not fit. */
  #unfit = 0;
  /** Calls wait for each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    stateDirectory: string,
    private readonly sink: string,
    private readonly options: DeadLettersOptions,
    private readonly meter: Meter,
  ) {
    this.path = deadLettersPath(stateDirectory, sink);
  }

  /**
   * Resolves when letters can be added: the file is open (a half line that a crash left is cut off), and what did not fit
   * the last time would now, or nothing is kept that takes its room. To be called before the first `add`.
   */
  ready(): Promise<void> {
    return this.#guarded(async () => {
      if (!this.#file || (await this.#changedByOthers())) await this.#open();
      const { maxSize, whenFull } = this.options;
      if (whenFull === "park" && this.#size > 0 && this.#size + this.#unfit > maxSize) this.#throwFull();
      this.#unfit = 0;
    });
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
      if (await this.#changedByOthers()) await this.#open();
      const fresh: Lines = new Map();
      for (const letter of letters) {
        if (!this.#ids.has(letter.id) && !fresh.has(letter.id)) fresh.set(letter.id, Buffer.from(encode(letter)));
      }
      const kept = await this.#makeRoom(fresh);
      if (kept.size > 0) await this.#append(Buffer.concat([...kept.values()]));
      for (const id of kept.keys()) this.#ids.add(id);
      this.#lost(fresh.size - kept.size);
      this.#show();
    });
  }

  close(): Promise<void> {
    return this.#guarded(async () => {
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  /** Drops the oldest that are kept, if it must; returns those that there is room for then. */
  async #makeRoom(fresh: Lines): Promise<Lines> {
    const { maxSize, whenFull } = this.options;
    const size = sizeOf(fresh);
    if (this.#size + size <= maxSize) return fresh;
    if (whenFull === "park") {
      this.#unfit = size;
      this.#throwFull();
    }
    const kept = newest(fresh, maxSize);
    const drop = this.#size + sizeOf(kept) - maxSize;
    // Some more than needed, so that a full store is not written anew for each letter.
    if (drop > 0) await this.#load(drop + Math.floor(maxSize / 10));
    return kept;
  }

  async #append(lines: Buffer): Promise<void> {
    try {
      // In one piece, unlike `appendFile`: what `dlq replay` appends meanwhile must not cut a letter in two.
      for (let at = 0; at < lines.length; ) at += (await this.#file!.write(lines, at)).bytesWritten;
      await this.#file!.datasync();
      this.#size += lines.length;
    } catch (error) {
      await this.#file!.truncate(this.#size).catch(() => {});
      throw error;
    }
  }

  /** True if `dlq replay` took letters back meanwhile, or somebody has moved the file away. */
  async #changedByOthers(): Promise<boolean> {
    const [ours, there] = [await this.#file!.stat(), await statOf(this.path)];
    return ours.size !== this.#size || there?.ino !== ours.ino;
  }

  async #open(): Promise<void> {
    const directory = dirname(this.path);
    await makeDirectory(directory);
    await this.#load();
    await syncDirectory(directory);
  }

  /** Reads the file; writes it anew if it holds more than letters, or without the oldest to save `drop` bytes. */
  async #load(drop = 0): Promise<void> {
    let kept = await this.#survey();
    if (kept.size !== ((await statOf(this.path))?.size ?? 0) || drop > 0) {
      this.#lost(await this.#rewrite(drop));
      kept = await this.#survey();
    }
    const file = await open(this.path, "a", 0o600);
    await this.#file?.close();
    this.#file = file;
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

  /** Returns how many letters it dropped. */
  async #rewrite(drop: number): Promise<number> {
    const old = await open(this.path, "r");
    try {
      const { size } = await old.stat();
      const dropped = await this.#writeAnew(drop);
      await this.#takeOver(old, size);
      return dropped;
    } finally {
      await old.close();
    }
  }

  async #writeAnew(drop: number): Promise<number> {
    const target = await open(`${this.path}.new`, "w", 0o600);
    let dropped = 0;
    try {
      const out = new ByteWriter(2 * COPY);
      let left = drop;
      for await (const { bytes } of letters(this.path)) {
        if (left > 0) dropped++;
        else out.copy(bytes);
        left -= bytes.length;
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
    return dropped;
  }

  /** What `dlq replay` took back while the file was written anew stands at the end of the old one. */
  async #takeOver(old: FileHandle, from: number): Promise<void> {
    const file = await open(this.path, "a");
    try {
      for await (const bytes of old.createReadStream({ start: from, autoClose: false })) await file.appendFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  #lost(count: number): void {
    if (count > 0) this.meter.add("auditship_dead_letters_lost_total", count, this.sink);
  }

  #show(): void {
    this.meter.set("auditship_dead_letters", this.count, this.sink);
  }

  #throwFull(): never {
    const { maxSize } = this.options;
    const what =
      this.#unfit > maxSize
        ? `${this.#unfit} bytes of refused events never fit into the dead letters of sink ${this.sink} (${maxSize} bytes). Raise deadLetters.maxSize.`
        : `the dead letters of sink ${this.sink} are full (${maxSize} bytes). Replay them (auditship dlq replay) or raise deadLetters.maxSize.`;
    throw new AuditshipError("AUDITSHIP_DEAD_LETTERS", what, { file: this.path });
  }

  #guarded<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work).catch((cause) => {
      throw asAuditshipError(cause, this.path);
    });
    this.#last = result.catch(() => {});
    return result;
  }
}

/** Letters as lines, by id, oldest first. */
type Lines = Map<string, Buffer>;

const sizeOf = (lines: Lines): number => [...lines.values()].reduce((sum, { length }) => sum + length, 0);

/** As many as fit into `room` bytes, the newest first. */
function newest(lines: Lines, room: number): Lines {
  const kept: [string, Buffer][] = [];
  for (const [id, line] of [...lines].reverse()) {
    if (line.length > room) continue;
    kept.push([id, line]);
    room -= line.length;
  }
  return new Map(kept.reverse());
}

const statOf = (path: string): Promise<Stats | undefined> =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
