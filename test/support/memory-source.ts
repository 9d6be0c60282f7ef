import { createHash } from "node:crypto";
import {
  type Chunk,
  comparePositions,
  type FileRef,
  type Lag,
  type Loss,
  type Position,
  type Reader,
  type Source,
  type StartPoint,
  type StoredPosition,
} from "../../src/plugin/index.js";
import { testFile } from "./batches.js";

interface MemoryFile {
  readonly ref: FileRef;
  bytes: Buffer;
}

/** A log in memory, of one file or many, with readers that wait at its end. */
export class MemorySource implements Source {
  onLoss: (loss: Loss) => void = () => {};
  readonly file: FileRef = testFile;
  readers = 0;
  readonly files: MemoryFile[] = [{ ref: testFile, bytes: Buffer.alloc(0) }];
  #wake: (() => void)[] = [];

  constructor(private readonly once = false) {}

  /** Bytes of the newest file. */
  get length(): number {
    return this.files.at(-1)!.bytes.length;
  }

  append(lines: readonly string[]): void {
    const file = this.files.at(-1)!;
    file.bytes = Buffer.concat([file.bytes, ...lines.map((line) => Buffer.from(`${line}\n`))]);
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** What comes next is in a new file. */
  rotate(): void {
    if (this.length === 0) return;
    const ordinal = this.files.length + 1;
    const fingerprint = createHash("sha256").update(`${ordinal}`).digest("hex");
    this.files.push({ ref: { fingerprint, id: fingerprint.slice(0, 16), ordinal, time: 0 }, bytes: Buffer.alloc(0) });
  }

  async reader(start: StartPoint): Promise<Reader> {
    this.readers++;
    const at = start.at === "position" ? this.locate(start.position) : undefined;
    if (at) return new MemoryReader(this, at.file.ordinal - 1, at.offset);
    if (start.at !== "end") return new MemoryReader(this, 0, 0);
    // A file without a line has no position yet.
    const last = this.length > 0 ? this.files.length - 1 : Math.max(0, this.files.length - 2);
    return new MemoryReader(this, last, this.files[last].bytes.length);
  }

  async slice(index: number, from: number, most: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    for (;;) {
      // As with a real file, reading takes a turn of the event loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (signal?.aborted) return undefined;
      const { bytes } = this.files[index];
      const end = bytes.lastIndexOf(0x0a, Math.min(from + most, bytes.length) - 1) + 1;
      if (end > from) return bytes.subarray(from, end);
      if (this.once || this.files[index + 1]?.bytes.length) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  locate(stored: StoredPosition): Position | undefined {
    const file = this.files.find(({ ref }) => ref.fingerprint === stored.file);
    return file && { file: file.ref, offset: stored.offset };
  }

  end(): Position | undefined {
    return this.length === 0 ? undefined : { file: this.files.at(-1)!.ref, offset: this.length };
  }

  lag(position: Position | undefined): Lag {
    let bytes = -(position?.offset ?? 0);
    for (const file of this.files.slice((position?.file.ordinal ?? 1) - 1)) bytes += file.bytes.length;
    return { bytes, seconds: 0 };
  }

  state(): object {
    return {};
  }

  async close(): Promise<void> {}
}

class MemoryReader implements Reader {
  constructor(
    private readonly source: MemorySource,
    private index: number,
    private offset: number,
  ) {}

  async next(
    into: Uint8Array,
    { limit, signal }: { limit?: Position; signal?: AbortSignal } = {},
  ): Promise<Chunk | undefined> {
    for (;;) {
      const at = this.position();
      if (limit && at && comparePositions(at, limit) >= 0) return undefined;
      const { ref } = this.source.files[this.index];
      const room = limit?.file.ordinal === ref.ordinal ? limit.offset - this.offset : Number.POSITIVE_INFINITY;
      const bytes = await this.source.slice(this.index, this.offset, Math.min(into.length, room), signal);
      if (bytes) {
        into.set(bytes);
        const chunk = { bytes: into, length: bytes.length, file: ref, offset: this.offset };
        this.offset += bytes.length;
        return chunk;
      }
      if (signal?.aborted || !this.#nextFile()) return undefined;
    }
  }

  unread(count: number): void {
    this.offset -= count;
  }

  position(): Position | undefined {
    const { ref, bytes } = this.source.files[this.index];
    return bytes.length === 0 ? undefined : { file: ref, offset: this.offset };
  }

  atEnd(): boolean {
    const { length } = this.source.files[this.index].bytes;
    return this.offset === length && !this.source.files[this.index + 1]?.bytes.length;
  }

  async close(): Promise<void> {
    this.source.readers--;
  }

  #nextFile(): boolean {
    if (!this.source.files[this.index + 1]?.bytes.length) return false;
    this.index++;
    this.offset = 0;
    return true;
  }
}
