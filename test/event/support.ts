import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { EventBatch } from "../../src/event/index.js";
import { ByteWriter, type DocumentOptions, type EventView, type FileRef, Flag } from "../../src/plugin/index.js";

export const FILE: FileRef = {
  fingerprint: "0123456789abcdef01234567".padEnd(64, "0"),
  id: Buffer.from("0123456789abcdef01234567", "hex").toString("base64url"),
  ordinal: 0,
  time: Date.UTC(2024, 4, 1, 2, 3, 4, 500),
};

export const ORIGIN = { cluster: "prod-1", node: "cp-0", labels: {} };

type Options = Partial<ConstructorParameters<typeof EventBatch>[0]> & { offset?: number };

/** A batch of these bytes. */
export function load(text: string | Uint8Array, options: Options = {}): EventBatch {
  const bytes = Buffer.from(text as string);
  return loadInto(new EventBatch({ capacity: 0, documents: ORIGIN, ...options }), bytes, options);
}

/** The same, with the bytes in the batch's own buffer: there WebAssembly scans the usual lines. */
export function loadOwn(text: string | Uint8Array, options: Options = {}): EventBatch {
  const bytes = Buffer.from(text as string);
  const batch = new EventBatch({ capacity: bytes.length + 1, documents: ORIGIN, ...options });
  batch.buffer.set(bytes);
  return loadInto(batch, batch.buffer.subarray(0, bytes.length), options);
}

function loadInto(batch: EventBatch, bytes: Buffer, options: Options): EventBatch {
  batch.load({ bytes, length: bytes.length, file: FILE, offset: options.offset ?? 0 }, "apiserver");
  return batch;
}

/** What each row is: "event", or why it is none. */
export function rowsOf(batch: EventBatch): string[] {
  return Array.from({ length: batch.count }, (_, row) =>
    (batch.flags(row) & Flag.invalid) === 0 ? "event" : batch.invalid(row)!.reason,
  );
}

export function documentOf(view: EventView, options?: DocumentOptions): string {
  const out = new ByteWriter(16);
  view.writeDocument(out, options);
  return Buffer.from(out.view()).toString();
}

export function lineOf(view: EventView): string {
  const out = new ByteWriter(16);
  view.writeLine(out);
  return Buffer.from(out.view()).toString();
}

/** Bytes of a value in the line: its offset and the one after it. */
export function spanOf(batch: EventBatch, text: string): [start: number, end: number] {
  const start = batch.bytes.indexOf(text);
  return [start, start + Buffer.byteLength(text)];
}

const DATA = process.env.AUDITSHIP_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));

export const hasSamples = existsSync(join(DATA, "samples"));

/** A file of the test data, inflated if need be. */
export function sample(name: string): Buffer {
  const bytes = readFileSync(join(DATA, name));
  return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

/** Names of all files of events, and of other JSON, among the test data. */
export function samples(): string[] {
  const names = readdirSync(DATA, { recursive: true }) as string[];
  return names.filter((name) => /\.jsonl?(\.gz)?$/.test(name)).sort();
}
