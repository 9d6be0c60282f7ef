import type { DeadLetter } from "../delivery/dead-letter-file.js";
import { viewDocument } from "../event/index.js";
import {
  type Annotation,
  type Batch,
  type ByteWriter,
  type DocumentOptions,
  dayName,
  type EventView,
  type Field,
  Flag,
  type Kind,
  type OpenBody,
  type RuleMatch,
} from "../plugin/index.js";
import { rankOf } from "../rules/index.js";

/** A match as it stands in a document. */
interface StoredMatch {
  rule: string;
  priority: string;
  message: string;
  dialect: RuleMatch["dialect"];
}

/**
 * A dead letter as an event again: fields from its line, id, matches and annotations as they were when it was put aside. Valid
 * until the next one is made.
 */
export class StoredEvent implements EventView {
  readonly #line: EventView;
  readonly #letter: DeadLetter;
  readonly #timestamp: string;
  /** The `auditship` member, without the id that some sinks add. */
  readonly #ours: Record<string, unknown>;
  readonly #matches: readonly RuleMatch[];

  private constructor(letter: DeadLetter, line: EventView) {
    const members = JSON.parse(letter.members) as { "@timestamp"?: string; auditship?: Record<string, unknown> };
    const { id: _, ...ours } = members.auditship ?? {};
    this.#letter = letter;
    this.#line = line;
    this.#timestamp = members["@timestamp"] ?? letter.time;
    this.#ours = ours;
    this.#matches = ((ours.matches ?? []) as StoredMatch[]).map(toMatch);
  }

  /** Undefined if the letter's line is no event. */
  static of(letter: DeadLetter): StoredEvent | undefined {
    const line = viewDocument(Buffer.from(letter.line));
    return line && new StoredEvent(letter, line);
  }

  get batch(): Batch {
    return this.#line.batch;
  }

  get row(): number {
    return this.#line.row;
  }

  id(): string {
    return this.#letter.id;
  }

  writeId(out: ByteWriter): void {
    out.text(this.#letter.id);
  }

  start(field: Field): number {
    return this.#line.start(field);
  }

  end(field: Field): number {
    return this.#line.end(field);
  }

  kind(field: Field): Kind {
    return this.#line.kind(field);
  }

  text(field: Field): string | undefined {
    return this.#line.text(field);
  }

  open(field: Field): OpenBody | undefined {
    return this.#line.open(field);
  }

  textAt(start: number, end: number): string {
    return this.#line.textAt(start, end);
  }

  isEdited(start: number, end: number): boolean {
    return this.#line.isEdited(start, end);
  }

  writeSpan(start: number, end: number, out: ByteWriter): void {
    this.#line.writeSpan(start, end, out);
  }

  timestampField(): Field | undefined {
    return this.#line.timestampField();
  }

  timeMs(): number {
    return Date.parse(this.#timestamp);
  }

  timeOf(field: Field): number {
    return this.#line.timeOf(field);
  }

  day(): string {
    return dayName(this.timeMs());
  }

  matches(): readonly RuleMatch[] {
    return this.#matches;
  }

  annotation(name: string): Annotation | undefined {
    return Object.hasOwn(this.#ours, name) ? (this.#ours[name] as Annotation) : undefined;
  }

  flags(): number {
    return this.#line.flags() | (this.#matches.length > 0 ? Flag.matched | Flag.archived : 0);
  }

  writeDocument(out: ByteWriter, options?: DocumentOptions): void {
    const members = this.#members(options);
    const { line } = this.#letter;
    const head = line.slice(0, line.lastIndexOf("}"));
    out.text(head.trim() === "{" ? members : `${head},${members.slice(1)}`);
  }

  writeMembers(out: ByteWriter, options?: DocumentOptions): void {
    out.text(this.#members(options));
  }

  writeLine(out: ByteWriter): void {
    out.text(this.#letter.line);
  }

  #members(options?: DocumentOptions): string {
    const id = options?.id ? this.#letter.id : undefined;
    return JSON.stringify({
      "@timestamp": this.#timestamp,
      auditship: { ...this.#ours, id, safeShape: options?.safeShape },
    });
  }
}

/** What is not in a document is not known any more: actions, tags. */
function toMatch({ rule, priority, message, dialect }: StoredMatch): RuleMatch {
  return {
    rule,
    dialect,
    priority,
    rank: rankOf(priority) ?? 0,
    actions: ["archived"],
    tags: [],
    facts: {},
    message: () => message,
  };
}
