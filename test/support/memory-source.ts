import type {
  Chunk,
  FileRef,
  Lag,
  Loss,
  Position,
  Reader,
  Source,
  StartPoint,
  StoredPosition,
} from "../../src/plugin/index.js";
import { testFile } from "./batches.js";

/** A log of one file in memory, with readers that wait at its end. */
export class MemorySource implements Source {
  onLoss: (loss: Loss) => void = () => {};
  readonly file: FileRef = testFile;
  readers = 0;
  #bytes = Buffer.alloc(0);
  #wake: (() => void)[] = [];

  constructor(private readonly once = false) {}

  get length(): number {
    return this.#bytes.length;
  }

  append(lines: readonly string[]): void {
    this.#bytes = Buffer.concat([this.#bytes, ...lines.map((line) => Buffer.from(`${line}\n`))]);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async reader(start: StartPoint): Promise<Reader> {
    this.readers++;
    return new MemoryReader(
      this,
      start.at === "position" ? start.position.offset : start.at === "end" ? this.length : 0,
    );
  }

  async slice(from: number, most: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    for (;;) {
      // As with a real file, reading takes a turn of the event loop.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (signal?.aborted) return undefined;
      const end = this.#bytes.lastIndexOf(0x0a, Math.min(from + most, this.length) - 1) + 1;
      if (end > from) return this.#bytes.subarray(from, end);
      if (this.once) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  locate(stored: StoredPosition): Position | undefined {
    return stored.file === this.file.fingerprint ? { file: this.file, offset: stored.offset } : undefined;
  }

  end(): Position | undefined {
    return this.length === 0 ? undefined : { file: this.file, offset: this.length };
  }

  lag(position: Position | undefined): Lag {
    return { bytes: this.length - (position?.offset ?? 0), seconds: 0 };
  }

  state(): object {
    return {};
  }

  async close(): Promise<void> {}
}

class MemoryReader implements Reader {
  constructor(
    private readonly source: MemorySource,
    private offset: number,
  ) {}

  async next(
    into: Uint8Array,
    { limit, signal }: { limit?: Position; signal?: AbortSignal } = {},
  ): Promise<Chunk | undefined> {
    const most = Math.min(into.length, (limit?.offset ?? Number.POSITIVE_INFINITY) - this.offset);
    if (most <= 0) return undefined;
    const bytes = await this.source.slice(this.offset, most, signal);
    if (!bytes) return undefined;
    into.set(bytes);
    const chunk = { bytes: into, length: bytes.length, file: this.source.file, offset: this.offset };
    this.offset += bytes.length;
    return chunk;
  }

  unread(count: number): void {
    this.offset -= count;
  }

  position(): Position | undefined {
    return this.source.length === 0 ? undefined : { file: this.source.file, offset: this.offset };
  }

  atEnd(): boolean {
    return this.offset === this.source.length;
  }

  async close(): Promise<void> {
    this.source.readers--;
  }
}
