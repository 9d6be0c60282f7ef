import { createHash } from "node:crypto";
import {
  type Annotation,
  type Batch,
  type ByteWriter,
  type Chunk,
  type EventView,
  type Field,
  type FileRef,
  FindList,
  type Finds,
  Flag,
  type Frame,
  type FramedDocuments,
  findInner,
  findNeedles,
  type Inner,
  type InnerKey,
  type InvalidLine,
  type Keys,
  type Kinds,
  type Likeness,
  NEWLINE,
  type Needles,
  type OpenBody,
  type OversizedLine,
  type Position,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  type RuleMatch,
  valueEnd,
} from "../plugin/index.js";
import { Annotations } from "./annotations.js";
import type { Arena } from "./arena.js";
import { Bodies } from "./bodies.js";
import { type DocumentOrigin, MemberWriter } from "./document.js";
import { Edits } from "./edits.js";
import { Framing } from "./framing.js";
import { asBuffer } from "./json.js";
import { LineScanner } from "./lines.js";
import { MatchList } from "./match-list.js";
import { Rows } from "./rows.js";
import { fillTimes } from "./times.js";
import { type Scanned, scanners, Verifier } from "./verify.js";
import { RowView } from "./view.js";
import { WasmMemory } from "./wasm-memory.js";

/** Most events of a batch by default. */
const MAX_ROWS = 4096;

export interface BatchOptions {
  /** Bytes of {@link EventBatch.buffer}. */
  capacity: number;
  /** Most events of a batch (default {@link MAX_ROWS}). Only a single line that is a list may exceed it. */
  maxRows?: number;
  /** What every document says about where it was made. */
  documents: DocumentOrigin;
  /** Read an array on a line as its items, as the `match` command does. */
  arrays?: boolean;
  /** Where to put the batch if there is room; otherwise it gets memory of its own. */
  arena?: Arena;
}

const NO_FILE: FileRef = { fingerprint: "", id: "", ordinal: 0, time: 0 };

/** A batch that is loaded again and again: see {@link Batch}. */
export class EventBatch implements Batch {
  /** For the reader to fill. */
  readonly buffer: Buffer;
  bytes: Buffer;
  length = 0;
  source = "";
  file = NO_FILE;
  offset = 0;
  oversized: OversizedLine | undefined;
  end: Position = { file: NO_FILE, offset: 0 };
  rules = "";
  readonly annotations = new Annotations();

  private readonly memory: WasmMemory | undefined;
  /** The same memory, if {@link bytes} are in it. */
  private home: WasmMemory | undefined;
  private readonly found = new FindList();
  private readonly foundInner: Inner = { end: 0, start: 0, stop: 0, elsewhere: false };
  private readonly rows: Rows;
  private readonly lines: LineScanner;
  private readonly verifier: Verifier | undefined;
  private readonly edits = new Edits();
  /** By row; valid only for rows that are flagged as matched. */
  private readonly matched: MatchList[] = [];
  /** {@link rules} of the oldest of these matches. */
  private matchedBy = "";
  private readonly members: MemberWriter;
  private readonly framing: Framing;
  private readonly view: RowView;
  private readonly bodies = new Bodies();

  /** The bytes that a batch takes in an arena. @param capacity of its buffer */
  static bytes(capacity: number): number {
    return WasmMemory.bytes(capacity, MAX_ROWS);
  }

  constructor(options: BatchOptions) {
    const { capacity, maxRows = MAX_ROWS, documents, arrays = false, arena } = options;
    const { webAssembly, verify } = scanners();
    this.memory = capacity > 0 && webAssembly ? WasmMemory.create(capacity, maxRows, arena) : undefined;
    this.buffer = this.memory?.buffer ?? Buffer.allocUnsafeSlow(capacity);
    this.bytes = this.buffer;
    this.rows = new Rows(maxRows, this.memory);
    this.lines = new LineScanner(this.rows, maxRows, arrays, this.memory);
    this.verifier = verify ? new Verifier(maxRows, arrays) : undefined;
    this.members = new MemberWriter(documents);
    this.framing = new Framing(this, this.members);
    this.view = new RowView(this, this.edits, this.members);
  }

  /**
   * Makes this the batch of a chunk, and keeps pointing into the chunk's bytes. Returns how many of them it took. It takes whole
   * lines, and fewer than `chunk.length` if `maxRows` was reached: the reader must then `unread` the rest.
   */
  load(chunk: Chunk, source: string): number {
    this.clear();
    this.source = source;
    this.file = chunk.file;
    this.offset = chunk.offset;
    this.members.begin(source, chunk.file);
    this.bytes = terminated(asBuffer(chunk.bytes), chunk.length);
    this.home = this.memory?.holds(this.bytes) ? this.memory : undefined;
    this.bodies.reset(this.bytes);
    if (chunk.oversized) return this.loadOversized(chunk, chunk.oversized);
    this.length = this.scan(chunk.length);
    this.end = { file: chunk.file, offset: chunk.offset + this.length };
    if (chunk.salvaged && this.count > 0 && !this.isInvalid(0)) this.setFlags(0, this.flags(0) | Flag.salvaged);
    return this.length;
  }

  /** Gives its memory back. The batch must not be used afterwards. */
  close(): void {
    this.memory?.close();
  }

  /** Fills rows for the lines in the first `length` bytes; returns how many bytes it took. */
  private scan(length: number): number {
    const taken = this.lines.scan(this.bytes, length);
    this.verifier?.check(this.scanned(length, taken));
    return taken;
  }

  private scanned(length = this.length, taken = length): Scanned {
    const { source, file, offset, bytes, rows, home } = this;
    return { source, file, offset, bytes, length, taken, rows, memory: home };
  }

  /** Adds one row: the event extracted from the line, or a report about the line. */
  private loadOversized(chunk: Chunk, oversized: OversizedLine): number {
    this.oversized = oversized;
    this.end = { file: chunk.file, offset: chunk.offset + oversized.skipped };
    this.length = chunk.length;
    if (chunk.length > 0) this.scan(chunk.length);
    if (this.count === 1 && !this.isInvalid(0)) this.rows.addFlags(Flag.truncated);
    else {
      this.rows.clear();
      this.length = 0;
      const { length, sha256, torn } = oversized;
      this.rows.addInvalid(torn ? "torn" : "too-long", 0, 0, { length, sha256 });
    }
    return chunk.length;
  }

  private isInvalid(row: number): boolean {
    return (this.flags(row) & Flag.invalid) !== 0;
  }

  get count(): number {
    return this.rows.count;
  }

  get table(): Uint32Array {
    return this.rows.table;
  }

  get numbers(): Uint16Array {
    return this.rows.numbers;
  }

  get numbering(): object {
    return this.memory?.numbering ?? this;
  }

  kinds(likeness: Likeness): Kinds {
    const { rows, home } = this;
    if (!home || !rows.atHome) return noKinds(rows.count);
    const kinds = home.kinds(likeness, rows.count);
    this.verifier?.checkKinds(likeness, kinds, this.scanned());
    return kinds;
  }

  get time(): Float64Array {
    return this.rows.time;
  }

  get latency(): Float64Array {
    return this.rows.latency;
  }

  at(row: number): RowView {
    return this.view.moveTo(row);
  }

  flags(row: number): number {
    return this.rows.table[row * ROW_WORDS + Row.flags];
  }

  setFlags(row: number, flags: number): void {
    this.rows.table[row * ROW_WORDS + Row.flags] = flags;
  }

  invalid(row: number): InvalidLine | undefined {
    const known = this.rows.invalid(row);
    if (known === undefined) return undefined;
    if (known.sha256 === undefined) {
      const base = row * ROW_WORDS;
      const line = this.bytes.subarray(this.table[base + Row.start], this.table[base + Row.end]);
      known.length = line.length;
      known.sha256 = createHash("sha256").update(line).digest("hex");
    }
    return known as InvalidLine;
  }

  addMatch(row: number, match: RuleMatch): void {
    const before = this.flags(row);
    const list = (before & Flag.matched) === 0 ? MatchList.none : this.matched[row];
    this.matched[row] = list.with(match);
    let flags = before | Flag.matched;
    for (const action of match.actions) flags |= action === "archived" ? Flag.archived : Flag.alerting;
    this.setFlags(row, flags);
  }

  matches(row: number): readonly RuleMatch[] {
    return (this.flags(row) & Flag.matched) === 0 ? MatchList.none.matches : this.matched[row].matches;
  }

  edit(row: number, start: number, end: number, replacement: Uint8Array): void {
    const { table, edits } = this;
    const base = row * ROW_WORDS;
    const count = table[base + Row.editCount];
    if (count === 0) table[base + Row.edits] = edits.count;
    else if (table[base + Row.edits] + count !== edits.count) throw new Error("edits of a row must come together");
    else if (start < edits.end(edits.count - 1)) throw new Error("edits of a row must come in order, without overlap");
    edits.add(start, end, replacement);
    table[base + Row.editCount] = count + 1;
    table[base + Row.flags] |= Flag.edited;
  }

  annotate(row: number, name: string, value: Annotation): void {
    this.annotations.set(row, name, value);
    this.table[row * ROW_WORDS + Row.flags] |= Flag.annotated;
  }

  annotation(row: number, name: string): Annotation | undefined {
    return this.annotations.get(row, name);
  }

  /** See {@link EventView.open}. */
  open(row: number, field: Field): OpenBody | undefined {
    const start = this.table[row * ROW_WORDS + ROW_HEADER + 2 * field];
    if (start === 0) return undefined;
    return this.bodies.open(row, field, start, this.table[row * ROW_WORDS + ROW_HEADER + 2 * field + 1]);
  }

  valueEnd(at: number): number {
    const end = this.home?.valueEnd(at) || valueEnd(this.bytes, at);
    this.verifier?.checkValueEnd(at, end, this.scanned());
    return end;
  }

  readTimes(field: Field, column: Float64Array): void {
    const { bytes, rows } = this;
    const home = rows.atHome && column.buffer === rows.table.buffer ? this.home : undefined;
    if (!home) column.fill(Number.NaN, 0, rows.count);
    if (home?.times(field, rows.count, column) !== 0) fillTimes(column, rows, bytes, field);
    this.verifier?.checkTimes(field, column, this.scanned());
  }

  inner(at: number, key: InnerKey): Inner {
    const { bytes, home, foundInner } = this;
    if (!home?.inner(at, key, foundInner)) findInner(bytes, at, key, foundInner);
    this.verifier?.checkInner(at, key, foundInner, this.scanned());
    return foundInner;
  }

  find(needles: Needles): Finds {
    const { bytes, length, found, home } = this;
    found.clear();
    if (!home?.find(needles, length, found)) {
      findNeedles(needles, bytes.subarray(0, length), found);
    }
    this.verifier?.checkFinds(needles, this.scanned());
    return found;
  }

  writeFramed(first: number, last: number, frame: Frame, out: ByteWriter): FramedDocuments {
    const { framing } = this;
    const start = out.length;
    framing.write(first, last, frame, this.rows.atHome ? this.home?.documents : undefined, out);
    this.verifier?.checkFramed(this, first, frame, framing, out, start);
    return framing;
  }

  findKeys(keys: Keys, start: number, end: number): number {
    const count = this.home?.keys.find(keys, start, end) ?? -1;
    if (count < 0) return count;
    this.verifier?.checkKeys(keys, { start, end, numbers: this.foundKeys.subarray(0, count) }, this.scanned());
    return count;
  }

  get foundKeys(): Uint16Array {
    return this.memory?.keys.found ?? NO_KEYS;
  }

  /** Throws the first difference found with `AUDITSHIP_VERIFY=1`, even if a stage caught the error: nothing of the batch may leave. */
  rethrowDifference(): void {
    this.verifier?.rethrow();
  }

  private clear(): void {
    this.annotations.clear(this.count);
    this.rows.clear();
    this.edits.clear();
    this.oversized = undefined;
    this.memory?.startOver();
    this.length = 0;
    if (this.rules !== this.matchedBy) {
      // Otherwise rows that are rarely used would keep old rules in memory.
      this.matched.fill(MatchList.none);
      this.matchedBy = this.rules;
    }
    this.rules = "";
  }
}

/** Kinds that say nothing. */
function noKinds(count: number): Kinds {
  return { numbers: new Uint16Array(count), numbering: NO_KINDS };
}

const NO_KINDS = {};
const NO_KEYS = new Uint16Array(0);

/** The bytes with a newline at `length - 1` or `length`. They are copied if the last line of a file has none. */
function terminated(bytes: Buffer, length: number): Buffer {
  if (length === 0 || bytes[length - 1] === NEWLINE) return bytes;
  const copy = Buffer.allocUnsafeSlow(length + 1);
  copy.set(bytes.subarray(0, length));
  copy[length] = NEWLINE;
  return copy;
}
