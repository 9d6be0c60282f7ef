import fs from "node:fs";
import { createGunzip, type Gunzip, gunzipSync, constants as zlib } from "node:zlib";
import type { ByteSource } from "./byte-source.js";
import type { Descriptor } from "./descriptor.js";
import { type FirstLine, FirstLineFinder, LARGE } from "./fingerprint.js";

/** Compressed bytes given to the decompressor at a time: at most 16.5 MiB come out (deflate's limit is 1032:1). */
const PIECE = 16 * 1024;
const MOST_OUT = PIECE * 1032 + 1024;
/** Compressed bytes that contain most first lines. */
const START = 4 * 1024;

/**
 * A gzip file of one or more members, at decompressed offsets. Reading forward is one pass; going back before the start of the last
 * read decompresses again from the file's beginning. Of a damaged file, every byte before the damage can be read.
 */
export class GzipSource implements ByteSource {
  readonly #descriptor: Descriptor;
  #gunzip: Gunzip | undefined;
  /** Compressed bytes being fed to the decompressor. */
  readonly #piece = Buffer.allocUnsafeSlow(PIECE);
  /** Next compressed byte. */
  #consumed = 0;
  /** Compressed offset of a piece that failed as a whole: from here on the file is fed byte by byte. */
  #fragile = Number.POSITIVE_INFINITY;
  /** Decompressed bytes [start, end), in order. */
  #chunks: Buffer[] = [];
  #start = 0;
  #end = 0;
  #finished = false;
  damage: string | undefined;

  /** Takes over one use of the descriptor. */
  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    if (at < this.#start) this.#rewind();
    this.#forget(at);
    while (!this.#finished && this.#end < at + into.length) {
      await this.#pull();
      this.#forget(at);
    }
    return this.#copy(into, at);
  }

  size(): number | undefined {
    return this.#finished ? this.#end : undefined;
  }

  close(): void {
    this.#gunzip?.destroy();
    this.#descriptor.release();
  }

  /** Decompresses the next piece of the file. */
  async #pull(): Promise<void> {
    this.#gunzip ??= openGunzip(gzipSize(this.#descriptor));
    const gunzip = this.#gunzip;
    const from = this.#consumed;
    const size = from < this.#fragile ? Math.min(PIECE, this.#fragile - from) : 1;
    const piece = this.#piece;
    const count = fs.readSync(this.#descriptor.fd, piece, 0, size, from);
    const error = await (count === 0 ? endOf(gunzip) : feed(gunzip, piece.subarray(0, count)));
    if (error && count > 1) {
      this.#fragile = from;
      this.#rewind();
      return;
    }
    this.#consumed += count;
    this.#take(gunzip);
    this.#finished = count === 0 || error !== undefined || gunzip.readableEnded;
    this.damage = error?.message;
  }

  #take(gunzip: Gunzip): void {
    for (;;) {
      const chunk = gunzip.read() as Buffer | null;
      if (chunk === null) return;
      this.#chunks.push(chunk);
      this.#end += chunk.length;
    }
  }

  /** Drops whole chunks before `at`. */
  #forget(at: number): void {
    let drop = 0;
    while (drop < this.#chunks.length && this.#start + this.#chunks[drop].length <= at) {
      this.#start += this.#chunks[drop++].length;
    }
    if (drop > 0) this.#chunks.splice(0, drop);
  }

  #copy(into: Uint8Array, at: number): number {
    let count = 0;
    let start = this.#start;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(Math.max(0, at + count - start), Math.max(0, at + into.length - start));
      into.set(part, count);
      count += part.length;
      start += chunk.length;
    }
    return count;
  }

  #rewind(): void {
    this.#gunzip?.destroy();
    this.#gunzip = undefined;
    this.#chunks = [];
    this.#consumed = this.#start = this.#end = 0;
    this.#finished = false;
    this.damage = undefined;
  }
}

/**
 * The first line of a gzip file (see {@link FirstLineFinder}); undefined if the file is empty. Throws zlib's error for a file that
 * is damaged at its beginning.
 */
export async function gzipFirstLine(descriptor: Descriptor): Promise<FirstLine | undefined> {
  const start = Buffer.allocUnsafe(START);
  const count = fs.readSync(descriptor.fd, start, 0, START, 0);
  const finder = new FirstLineFinder();
  // At most 4 MiB, and nearly always enough.
  const decompressed = gunzipSync(start.subarray(0, count), { finishFlush: zlib.Z_SYNC_FLUSH });
  if (finder.add(decompressed) || count < START) return finder.found();
  return longFirstLine(descriptor);
}

async function longFirstLine(descriptor: Descriptor): Promise<FirstLine | undefined> {
  const finder = new FirstLineFinder();
  const source = new GzipSource(descriptor.retain());
  try {
    const bytes = Buffer.allocUnsafe(LARGE);
    for (let at = 0; ; at += bytes.length) {
      const count = await source.read(bytes, at);
      if (finder.add(bytes.subarray(0, count)) || count < bytes.length) return finder.found();
    }
  } finally {
    source.close();
  }
}

/** True for zlib's errors: the bytes are wrong, and will still be at the next try. */
export function isDamage(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException).code).startsWith("Z_");
}

/**
 * Decompressed size from the file's last four bytes (ISIZE, RFC 1952 §2.3.1): exact for a single member below 4 GiB; a guess if
 * those bytes cannot be a size.
 */
export function gzipSize(descriptor: Descriptor): number {
  const { size } = descriptor.stat();
  const trailer = Buffer.alloc(4);
  if (size < 18 || fs.readSync(descriptor.fd, trailer, 0, 4, size - 4) < 4) return 0;
  const claimed = trailer.readUInt32LE(0);
  const plausible = claimed <= size * 1032 && claimed >= size / 2;
  return plausible ? claimed : size * 10;
}

/** @param size decompressed bytes, so that many small files do not each cost a large buffer */
function openGunzip(size: number): Gunzip {
  const chunkSize = Math.min(128 * 1024, Math.max(1024, size + 1));
  // Room for everything that one piece can expand to, so that its write always completes.
  const gunzip = createGunzip({ chunkSize, readableHighWaterMark: MOST_OUT } as object);
  gunzip.on("error", () => {});
  return gunzip;
}

/** Writes a piece; resolves to the error if there was one. */
function feed(gunzip: Gunzip, piece: Buffer): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const settle = (error?: Error | null) => {
      gunzip.off("error", settle);
      resolve(error ?? undefined);
    };
    gunzip.once("error", settle);
    gunzip.write(piece, settle);
  });
}

/** Ends the stream after all of its bytes were taken; resolves to an error if the file is incomplete. */
function endOf(gunzip: Gunzip): Promise<Error | undefined> {
  if (gunzip.readableEnded || gunzip.destroyed) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    gunzip.once("error", resolve).once("end", () => resolve(undefined));
    gunzip.end();
    gunzip.resume();
  });
}
