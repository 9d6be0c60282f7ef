import type { Annotation, Batch } from "./batch.js";
import type { Field } from "./field.js";
import type { RuleMatch } from "./match.js";
import type { Tape } from "./tape.js";
import type { ByteWriter } from "./writer.js";

/** The kind of a JSON value. */
export enum Kind {
  absent,
  null,
  false,
  true,
  number,
  string,
  object,
  array,
}

/**
 * One event of a batch: a flyweight that is moved from row to row. Values are read from the line's bytes when asked for;
 * after `redact`, every reader sees the redacted ones. Valid until its batch moves it or is reused.
 */
export interface EventView {
  readonly batch: Batch;
  readonly row: number;

  /** First byte of the field's value in `batch.bytes` (a string's opening quote); 0 if absent. Before redaction edits. */
  start(field: Field): number;
  /** One past its last byte; 0 if absent. */
  end(field: Field): number;
  kind(field: Field): Kind;
  /** A string decoded, anything else as its JSON text; undefined if absent. Allocates: not for the hot path. */
  text(field: Field): string | undefined;
  /** The body as spans. Opened once per batch and shared; undefined if it is absent or cannot be opened. */
  open(field: Field): OpenBody | undefined;
  /** The text of any value of an opened body (or of `bytes` at a span): a string decoded, anything else as it is written. */
  textAt(start: number, end: number): string;

  /** Appends bytes [start, end) of the event as readers see them, with redaction edits. */
  writeSpan(start: number, end: number, out: ByteWriter): void;

  /** True if redaction edits change bytes [start, end) of `batch.bytes`. */
  isEdited(start: number, end: number): boolean;

  /** The field that `@timestamp` is copied from: stageTimestamp, requestReceivedTimestamp or timestamp. */
  timestampField(): Field | undefined;
  /** Epoch milliseconds: the row's `time` if `parse` filled it, else parsed now, else the file's time. */
  timeMs(): number;
  /** Epoch milliseconds of the time in a field, with fractions; NaN if it holds none. */
  timeOf(field: Field): number;
  /** UTC day of {@link timeMs} as `YYYY.MM.DD`. */
  day(): string;

  matches(): readonly RuleMatch[];
  annotation(name: string): Annotation | undefined;
  flags(): number;

  /**
   * Our id of the event: base64url of 96 bits of the file's fingerprint, 48 bits of offset, 32 bits of item
   * number and a 64-bit hash of raw auditID, stage, stageTimestamp and line length, all as read. 40 characters.
   */
  id(): string;
  /** Appends {@link id} without creating a string. Base64url: nothing in it needs escaping. */
  writeId(out: ByteWriter): void;
  /** Appends the document in shape `native`: the (redacted) line and our members before its closing brace. No newline. */
  writeDocument(out: ByteWriter, options?: DocumentOptions): void;
  /** Appends only our members, as a JSON object: `{"@timestamp":…,"auditship":{…}}`. */
  writeMembers(out: ByteWriter, options?: DocumentOptions): void;
  /** Appends the (redacted) line, without our members. */
  writeLine(out: ByteWriter): void;
}

export interface DocumentOptions {
  /** Add `"id"` to the `auditship` member (webhook, stdout). */
  id?: boolean;
  /** Add `"safeShape"`, the reason why the document is in safe shape, to the `auditship` member. */
  safeShape?: string;
}

/** Where an opened body lies in the tape. */
export interface OpenBody {
  tape: Tape;
  /** Index of its root node. */
  root: number;
}
