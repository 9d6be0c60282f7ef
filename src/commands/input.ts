import { createHash } from "node:crypto";
import { createReadStream, fstatSync } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { EventBatch, EventExtractor } from "../event/index.js";
import { type Chunk, type FileRef, Flag, type InvalidReason, NEWLINE, ROW_WORDS, Row } from "../plugin/index.js";
import { type InputFile, unreadable } from "./input-files.js";

const GZIP = Buffer.from([0x1f, 0x8b]);
/** Bytes that are read at once, and of the longest line that is taken. */
const READ = 1 << 20;
const MAX_LINE = 24 * READ;

/** A line that is no event, as it may be told. */
export interface InvalidInput {
  file: string;
  /** From 1. */
  line: number;
  reason: InvalidReason;
}

/**
 * Reads audit files that were given by hand, plain or gzip (told by their first bytes), `-` for standard input, as batches in
 * memory that does not grow with them. A batch is valid until the next is asked for.
 * @throws AuditshipError AUDITSHIP_INPUT
 */
export async function* readInput(
  files: readonly InputFile[],
  onInvalid: (invalid: InvalidInput) => void = () => {},
): AsyncGenerator<EventBatch> {
  const batch = new EventBatch({ capacity: 0, documents: { cluster: "", node: "", labels: {} }, arrays: true });
  for (const [ordinal, input] of files.entries()) {
    const { name } = input;
    const file: FileRef = { fingerprint: "", id: "", ordinal, time: 0 };
    let line = 1;
    for await (const chunk of chunksOf(input, file)) {
      let at = 0;
      do {
        const { bytes, length, offset } = chunk;
        at += batch.load({ ...chunk, bytes: bytes.subarray(at), length: length - at, offset: offset + at }, name);
        for (const { row, reason } of invalidRows(batch)) {
          onInvalid({ file: name, line: line + newlines(batch, batch.table[row * ROW_WORDS + Row.line]), reason });
        }
        yield batch;
        line += chunk.oversized ? 1 : newlines(batch, batch.length);
      } while (at < chunk.length);
    }
  }
}

/** The lines of a stream without their newlines, however they were cut into parts. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of stream) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, part]) : part;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  if (rest.length > 0) yield rest;
}

/** The bytes of standard input, decompressed. @throws AuditshipError AUDITSHIP_INPUT */
export const standardInput = (): AsyncGenerator<Buffer> => bytesOf({ name: "-" });

/** Runs of whole lines. */
async function* chunksOf(input: InputFile, file: FileRef): AsyncGenerator<Chunk> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let oversized: LongLine | undefined;
  for await (const part of bytesOf(input)) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, part]) : part;
    if (oversized) {
      const end = bytes.indexOf(NEWLINE);
      oversized.add(end < 0 ? bytes : bytes.subarray(0, end));
      if (end < 0) continue;
      yield oversized.chunk(file, offset);
      offset += oversized.length + 1;
      oversized = undefined;
      bytes = bytes.subarray(end + 1);
    }
    const length = bytes.lastIndexOf(NEWLINE) + 1;
    if (length > 0) yield { bytes, length, file, offset };
    offset += length;
    rest = bytes.subarray(length);
    if (rest.length > MAX_LINE) {
      oversized = new LongLine();
      oversized.add(rest);
      rest = Buffer.alloc(0);
    }
  }
  if (oversized) yield oversized.chunk(file, offset);
  if (rest.length > 0) yield { bytes: rest, length: rest.length, file, offset };
}

/** A line of which only length and hash are kept. */
class LongLine {
  length = 0;
  readonly #hash = createHash("sha256");
  readonly #extractor = new EventExtractor();

  add(bytes: Uint8Array): void {
    this.length += bytes.length;
    this.#hash.update(bytes);
    this.#extractor.add(bytes);
  }

  chunk(file: FileRef, offset: number): Chunk {
    const { length } = this;
    const found = this.#extractor.end();
    const event = found?.kind === "event" ? found : { bytes: Buffer.alloc(0), dropped: undefined };
    const oversized = { skipped: length + 1, length, sha256: this.#hash.digest("hex"), dropped: event.dropped };
    return { bytes: event.bytes, length: event.bytes.length, file, offset, oversized };
  }
}

async function* bytesOf({ name, descriptor }: InputFile): AsyncGenerator<Buffer> {
  try {
    const raw = name === "-" ? openStandardInput() : createReadStream(name, { fd: descriptor, highWaterMark: READ });
    const head = await firstBytes(raw);
    if (!head) return;
    raw.unshift(head);
    const zipped = head.subarray(0, 2).equals(GZIP);
    yield* zipped ? pipeline(raw, createGunzip({ chunkSize: READ }), () => {}) : raw;
  } catch (cause) {
    throw unreadable(name, cause);
  }
}

function openStandardInput(): Readable {
  // Node takes one that is a directory for an empty one.
  if (fstatSync(0).isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
  return process.stdin;
}

/** The first bytes of a stream, left to be read again by whoever unshifts them; null if there are none. */
function firstBytes(stream: Readable): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.once("end", () => resolve(null));
    stream.once("readable", () => resolve(stream.read()));
  });
}

function* invalidRows(batch: EventBatch): Generator<{ row: number; reason: InvalidReason }> {
  for (let row = 0; row < batch.count; row++) {
    if ((batch.flags(row) & Flag.invalid) !== 0) yield { row, reason: batch.invalid(row)!.reason };
  }
}

/** Newlines in the first `end` bytes of a batch. */
function newlines(batch: EventBatch, end: number): number {
  let count = 0;
  for (let at = batch.bytes.indexOf(NEWLINE); at >= 0 && at < end; at = batch.bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
