import type { EventView } from "./event.js";
import { FIELD_COUNT, Field } from "./field.js";
import type { Inner, InnerKey } from "./inner.js";
import type { Keys } from "./keys.js";
import type { Kinds, Likeness } from "./likeness.js";
import type { RuleMatch } from "./match.js";
import type { Finds, Needles } from "./needles.js";
import type { FileRef, Position } from "./position.js";
import type { OversizedLine } from "./source.js";
import type { ByteWriter } from "./writer.js";

/**
 * One row of the field table: {@link ROW_HEADER} words about the event, then (start, end) for each field.
 * Offsets count from the start of {@link Batch.bytes}; a field that is absent is (0, 0).
 */
export enum Row {
  /** First byte of the event's object (`{`). */
  start,
  /** One past its last byte (`}`). For an invalid line: the line without its newline. */
  end,
  /** {@link Flag} bits. */
  flags,
  /** First byte of the line that holds the event. */
  line,
  /** One past the last byte of that line, without its newline. */
  lineEnd,
  /** 0 for an event that is a line; 1, 2, … for the items of an EventList. */
  item,
  /** Index of the first redaction edit of this row in the batch's edit list. */
  edits,
  /** How many edits. */
  editCount,
}

/** Words before the fields in a row. */
export const ROW_HEADER = 8;

/** What is known of a row. */
export enum Flag {
  /** Not a JSON object; see {@link Batch.invalid}. Stages leave it alone, archives get a report without its bytes. */
  invalid = 1,
  /** Dropped by the source's `drop:`; nobody sees it. */
  dropped = 2,
  /** A rule says: archive. */
  archived = 4,
  /** A rule says: alert. */
  alerting = 8,
  /** Found inside a torn line. */
  salvaged = 16,
  /** The line was longer than `maxLine`; its bodies are gone: see {@link Batch.oversized}. */
  truncated = 32,
  /** Has redaction edits. */
  edited = 64,
  /** Keys are capitalised: KubeSphere's own audit line. */
  kubesphere = 128,
  /** Has matches, see {@link Batch.matches}. */
  matched = 256,
  /** The item of an EventList. */
  item = 512,
  /** Below the source's high-water mark: counted before. */
  again = 1024,
  /** Has a top-level member named as one of ours (`@timestamp`, `auditship`); documents leave it out. */
  reserved = 2048,
  /** Not written as Go writes an event: white space between members, an unknown member, or one twice. */
  irregular = 4096,
  /** Has a value nested deeper than 100 levels, which crashes some servers. */
  deep = 8192,
  /** A stage added something, see {@link Batch.annotate}. */
  annotated = 16384,
}

/** What surrounds an event's native document in a request: `before`, the event's id, `between`, the document, `after`. UTF-8. */
export interface Frame {
  readonly before: Uint8Array;
  readonly between: Uint8Array;
  readonly after: Uint8Array;
}

/** The framed documents of consecutive rows, as they were written. Valid until the next call. */
export interface FramedDocuments {
  readonly count: number;
  /** The ids, `idLength` bytes each. */
  readonly ids: Uint8Array;
  readonly idLength: number;
  /**
   * {@link SPAN_WORDS} for each, as offsets in the writer: start of its document, the comma before our members, end of the
   * document, end of its frame.
   */
  readonly spans: Uint32Array;
}

/** Words of {@link FramedDocuments.spans} for a document. */
export const SPAN_WORDS = 4;

/** Why a line is not an event. Used in metric labels and reports; it never quotes the line. */
export type InvalidReason = "syntax" | "not-an-object" | "too-deep" | "too-long" | "too-many-items" | "torn";

/** What may be reported of an invalid line: no byte of it. */
export interface InvalidLine {
  reason: InvalidReason;
  /** Bytes of the line without its newline. */
  length: number;
  /** SHA-256 of those bytes, hex. */
  sha256: string;
}

/**
 * A run of whole lines of one file in one buffer, with a table of where each field lies: the unit that moves through
 * the stages. Reused after every sink has taken what it wants: keep nothing that points into it.
 */
export interface Batch {
  /** The lines. Only the first {@link length} bytes count. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Name of the source in the configuration. */
  readonly source: string;
  readonly file: FileRef;
  /** Offset of `bytes[0]` in the (decompressed) file. */
  readonly offset: number;
  /** Set if the one line of the batch was longer than `maxLine`. */
  readonly oversized: OversizedLine | undefined;
  /** Where the next batch of this lane starts. */
  readonly end: Position;
  /** Rows in use. */
  readonly count: number;
  /** `count` rows of {@link ROW_WORDS} words. */
  readonly table: Uint32Array;
  /** Epoch milliseconds of each event's time, NaN where unknown; filled by `parse`. */
  readonly time: Float64Array;
  /** stageTimestamp − requestReceivedTimestamp in milliseconds, NaN if either is missing; filled by `parse`. */
  readonly latency: Float64Array;
  /**
   * `count` rows of numbers, one for each of {@link NUMBERED}: equal for equal bytes of a value, as long as {@link numbering} is
   * the same object; 0 where none is known.
   */
  readonly numbers: Uint16Array;
  readonly numbering: object;

  /** Which rows are alike. One pass over the rows; valid until the next call. */
  kinds(likeness: Likeness): Kinds;

  /** Short hash of the rule set that looked at this batch, "" before `match`. */
  rules: string;

  /** The one view of this batch, moved to `row`; the same object each time. */
  at(row: number): EventView;
  /** {@link Flag} bits of a row. */
  flags(row: number): number;
  setFlags(row: number, flags: number): void;
  /** Why the row is invalid; undefined for events. */
  invalid(row: number): InvalidLine | undefined;

  /** One past the last byte of the JSON value at offset `at` of an event. */
  valueEnd(at: number): number;

  /** Looks up a member of a member of the object at offset `at` of an event. Valid until the next call. */
  inner(at: number, key: InnerKey): Inner;

  /**
   * Fills a column with the epoch milliseconds of a field, by row; NaN where it is absent or not an RFC 3339 time. Fast if the
   * column is {@link time} or {@link latency}.
   */
  readTimes(field: Field, column: Float64Array): void;

  /** Every occurrence of the needles in the lines that counts, overlapping ones too. One pass, several GB/s. Valid until the next call. */
  find(needles: Needles): Finds;

  /**
   * How many of the keys end a key of an object in the value [start, end); -1 if unknown. {@link foundKeys} begins with their
   * numbers, each once. One pass, several GB/s; a string that looks like a key may count as one.
   */
  findKeys(keys: Keys, start: number, end: number): number;
  readonly foundKeys: Uint16Array;

  /** Adds a match; sets the row's flags from the match's actions. */
  addMatch(row: number, match: RuleMatch): void;
  /** Matches of a row in order of definition. A shared empty array where there are none. */
  matches(row: number): readonly RuleMatch[];

  /**
   * Replaces bytes [start, end) of `bytes` by `replacement` for everyone who reads the row from now on. Edits of a row must be
   * in ascending order, must not overlap, and must all come before those of another row.
   */
  edit(row: number, start: number, end: number, replacement: Uint8Array): void;

  /**
   * Adds a member to the event's `auditship` object and makes it visible to rules. A stage names the members it adds
   * in `annotates`. `workspace` and `redaction` are the built-in ones.
   */
  annotate(row: number, name: string, value: Annotation): void;
  annotation(row: number, name: string): Annotation | undefined;

  /**
   * Appends the documents of rows [first, last) as `EventView.writeId` and `writeDocument` would, each in the frame: as many as can
   * be written at once, maybe none; write the others with those two. If `out` lies in the batch's memory, no copy is made.
   */
  writeFramed(first: number, last: number, frame: Frame, out: ByteWriter): FramedDocuments;
}

/** A value that a stage may add to an event. */
export type Annotation = string | number | boolean | readonly string[];

/** Fields that have few different values: see {@link Batch.numbers}. */
export const NUMBERED: readonly Field[] = [
  Field.level,
  Field.stage,
  Field.verb,
  Field.userUsername,
  Field.userGroups,
  Field.impersonatedUserUsername,
  Field.impersonatedUserGroups,
  Field.sourceIPs,
  Field.userAgent,
  Field.objectRefResource,
  Field.objectRefNamespace,
  Field.objectRefApiGroup,
  Field.objectRefApiVersion,
  Field.objectRefSubresource,
  Field.responseStatusStatus,
  Field.responseStatusReason,
  Field.responseStatusCode,
];

/** Numbers of values are below this. */
export const NUMBERS = 4096;

/** Words of one row: the header and two for each field. */
export const ROW_WORDS = ROW_HEADER + 2 * FIELD_COUNT;
