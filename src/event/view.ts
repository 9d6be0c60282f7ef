import {
  type Annotation,
  BACKSLASH,
  ByteWriter,
  CLOSE_BRACE,
  COMMA,
  DayNames,
  type DocumentOptions,
  type EventView,
  Field,
  Flag,
  Kind,
  kindOf,
  OPEN_BRACE,
  type OpenBody,
  parseTime,
  ROW_HEADER,
  ROW_WORDS,
  Row,
  type RuleMatch,
} from "../plugin/index.js";
import type { EventBatch } from "./batch.js";
import { foreignMembers, isEmptyObject, type MemberWriter } from "./document.js";
import type { Edits } from "./edits.js";
import { IdText, SpanHash } from "./id.js";
import { asBuffer, decode } from "./json.js";
import type { Pieces } from "./pieces.js";

/** A guess of the bytes that we add to a line. */
const MEMBERS = 4096;
/** Fields that may hold the event's time, in order of preference. */
const TIME_FIELDS = [Field.stageTimestamp, Field.requestReceivedTimestamp, Field.timestamp];

/** Fields that an event's id depends on, besides its position. */
const ID_FIELDS = [Field.auditID, Field.stage, Field.stageTimestamp];

/** The one view of a batch: reads the row that it was moved to, straight from the bytes. */
export class RowView implements EventView {
  row = 0;
  private base = 0;
  /** The row's edits in the batch's list. */
  private firstEdit = 0;
  private lastEdit = 0;
  private readonly hash = new SpanHash();
  /** The row's id, computed on demand: a request and the document in it both use it. */
  private readonly idText = new IdText();
  private knowsId = false;
  private readonly days = new DayNames();

  constructor(
    readonly batch: EventBatch,
    private readonly edits: Edits,
    private readonly members: MemberWriter,
  ) {}

  /** Moves the view to a row. */
  moveTo(row: number): this {
    this.row = row;
    this.base = row * ROW_WORDS;
    this.knowsId = false;
    return this;
  }

  start(field: Field): number {
    return this.batch.table[this.base + ROW_HEADER + 2 * field];
  }

  end(field: Field): number {
    return this.batch.table[this.base + ROW_HEADER + 2 * field + 1];
  }

  kind(field: Field): Kind {
    const start = this.start(field);
    if (start === 0) return Kind.absent;
    if (!this.hasEdits()) return kindOf(this.batch.bytes[start]);
    return kindOf(this.edits.firstByte(this.batch.bytes, start, this.firstEdit, this.lastEdit));
  }

  text(field: Field): string | undefined {
    const start = this.start(field);
    return start === 0 ? undefined : this.textAt(start, this.end(field));
  }

  open(field: Field): OpenBody | undefined {
    return this.batch.open(this.row, field);
  }

  textAt(start: number, end: number): string {
    const { bytes } = this.batch;
    if (!this.isEdited(start, end)) return decode(bytes, start, end);
    const edited = new ByteWriter(end - start);
    this.edits.copy(edited, bytes, start, end, this.firstEdit, this.lastEdit);
    return decode(asBuffer(edited.bytes), 0, edited.length);
  }

  writeSpan(start: number, end: number, out: ByteWriter): void {
    this.copy(out, start, end);
  }

  timestampField(): Field | undefined {
    for (const field of TIME_FIELDS) if (this.kind(field) === Kind.string) return field;
    return undefined;
  }

  timeMs(): number {
    const parsed = this.batch.time[this.row];
    if (!Number.isNaN(parsed)) return parsed;
    const field = this.timestampField();
    const time = field === undefined ? Number.NaN : this.timeOf(field);
    return Number.isNaN(time) ? this.batch.file.time : time;
  }

  timeOf(field: Field): number {
    const { bytes } = this.batch;
    const start = this.start(field);
    const end = this.end(field);
    if (this.kind(field) !== Kind.string) return Number.NaN;
    if (!this.isEdited(start, end) && !this.isEscaped(start, end)) return parseTime(bytes, start + 1, end - 1);
    const text = Buffer.from(this.textAt(start, end));
    return parseTime(text, 0, text.length);
  }

  day(): string {
    return this.days.nameOf(this.timeMs());
  }

  matches(): readonly RuleMatch[] {
    return this.batch.matches(this.row);
  }

  annotation(name: string): Annotation | undefined {
    return this.batch.annotation(this.row, name);
  }

  flags(): number {
    return this.word(Row.flags);
  }

  id(): string {
    return this.known().toString();
  }

  writeId(out: ByteWriter): void {
    this.known().write(out);
  }

  private known(): IdText {
    if (!this.knowsId) this.makeId();
    return this.idText;
  }

  private makeId(): void {
    const { batch } = this;
    const { table } = batch;
    const hash = this.hash.over(batch.bytes);
    for (const field of ID_FIELDS) {
      const at = this.base + ROW_HEADER + 2 * field;
      hash.span(table[at], table[at + 1]);
    }
    const line = table[this.base + Row.line];
    const isWhole = (table[this.base + Row.flags] & (Flag.invalid | Flag.truncated)) === 0;
    const known = isWhole ? undefined : (batch.invalid(this.row) ?? batch.oversized);
    hash.number(known?.length ?? table[this.base + Row.lineEnd] - line);
    this.idText.set(batch.file, batch.offset + line, table[this.base + Row.item], hash);
    this.knowsId = true;
  }

  writeDocument(out: ByteWriter, options?: DocumentOptions): void {
    const flags = this.flags();
    out.document.start = out.length;
    if ((flags & Flag.invalid) !== 0) {
      out.document.members = out.length;
      this.writeMembers(out, options);
      out.document.end = out.length;
      return;
    }
    const start = this.word(Row.start);
    // So that a line of many MiB is not copied again to make room for what follows it.
    out.reserve(this.word(Row.end) - start + MEMBERS);
    if ((flags & Flag.reserved) !== 0) this.copyForeign(out);
    else {
      this.copy(out, start, this.word(Row.end) - 1);
      if (!isEmptyObject(this.batch.bytes, start)) out.byte(COMMA);
    }
    out.document.members = out.bytes[out.length - 1] === COMMA ? out.length - 1 : out.length;
    this.appendMembers(out, options);
    out.byte(CLOSE_BRACE);
    out.document.end = out.length;
  }

  writeMembers(out: ByteWriter, options?: DocumentOptions): void {
    out.byte(OPEN_BRACE);
    this.appendMembers(out, options);
    out.byte(CLOSE_BRACE);
  }

  writeLine(out: ByteWriter): void {
    if ((this.flags() & Flag.invalid) !== 0) this.writeMembers(out);
    else this.copy(out, this.word(Row.start), this.word(Row.end));
  }

  private word(word: Row): number {
    return this.batch.table[this.base + word];
  }

  /** True if the row has edits; then `firstEdit` and `lastEdit` are set to them. */
  private hasEdits(): boolean {
    if ((this.flags() & Flag.edited) === 0) return false;
    this.firstEdit = this.word(Row.edits);
    this.lastEdit = this.firstEdit + this.word(Row.editCount);
    return true;
  }

  /** See {@link EventView.isEdited}. */
  isEdited(start: number, end: number): boolean {
    return this.hasEdits() && this.edits.touching(this.firstEdit, this.lastEdit, start, end) < this.lastEdit;
  }

  /** Appends [start, end) of the line with its edits. */
  private copy(out: ByteWriter, start: number, end: number): void {
    const { bytes } = this.batch;
    if (this.hasEdits()) this.edits.copy(out, bytes, start, end, this.firstEdit, this.lastEdit);
    else out.copy(bytes, start, end);
  }

  /** Appends the event without its own `@timestamp` and `auditship`, up to where our members begin. */
  private copyForeign(out: ByteWriter): void {
    out.byte(OPEN_BRACE);
    for (const [start, end] of foreignMembers(this.batch.bytes, this.word(Row.start))) {
      this.copy(out, start, end);
      out.byte(COMMA);
    }
  }

  private appendMembers(out: ByteWriter, options?: DocumentOptions): void {
    const { batch, members, row } = this;
    const flags = this.flags();
    this.openMembers(out);
    members.place(out, batch.offset + this.word(Row.line), this.word(Row.item));
    if ((flags & Flag.invalid) !== 0) members.invalid(out, batch.invalid(row)!);
    const latency = batch.latency[row];
    if (!Number.isNaN(latency)) members.latency(out, latency);
    this.writeAdded(out, flags);
    if ((flags & Flag.salvaged) !== 0) members.salvaged(out);
    if ((flags & Flag.truncated) !== 0) members.truncated(out, batch.oversized!);
    if (options?.id) members.id(out, this);
    if (options?.safeShape !== undefined) members.safeShape(out, options.safeShape);
    members.close(out);
  }

  /** Says of which pieces the edited line is made, up to its closing brace; false if its time was edited, of which a document says more. */
  cutEdited(pieces: Pieces, out: ByteWriter): boolean {
    if (this.isEdited(this.start(Field.stageTimestamp), this.end(Field.stageTimestamp))) return false;
    this.edits.cut(pieces, out, this.word(Row.start), this.word(Row.end) - 1, this.firstEdit, this.lastEdit);
    return true;
  }

  /** Appends the members that stages added, each with its comma. */
  writeAdded(out: ByteWriter, flags: number): void {
    const { batch, members, row } = this;
    if ((flags & Flag.annotated) !== 0) {
      for (const { name, values } of batch.annotations.columns) {
        const value = values[row];
        if (value !== undefined) members.annotation(out, name, value);
      }
    }
    if ((flags & Flag.matched) !== 0) members.matches(out, batch.rules, this);
  }

  /** `@timestamp` is the text of the event's own time if that is valid; otherwise the file's time. */
  private openMembers(out: ByteWriter): void {
    const stage = this.start(Field.stageTimestamp);
    // If there is a latency, stageTimestamp is certainly a valid time.
    if (stage !== 0 && !Number.isNaN(this.batch.latency[this.row]) && (this.flags() & Flag.edited) === 0) {
      this.members.open(out, this.batch.bytes, stage, this.end(Field.stageTimestamp));
      return;
    }
    const field = this.timestampField();
    const start = field === undefined ? 0 : this.start(field);
    const end = field === undefined ? 0 : this.end(field);
    if (field === undefined || Number.isNaN(this.timeOf(field))) this.members.open(out);
    else if (!this.isEdited(start, end) && !this.isEscaped(start, end)) {
      this.members.open(out, this.batch.bytes, start, end);
    } else this.members.open(out, Buffer.from(JSON.stringify(this.textAt(start, end))));
  }

  /** True if there is a backslash in [start, end). */
  private isEscaped(start: number, end: number): boolean {
    const { bytes } = this.batch;
    for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return true;
    return false;
  }
}
