import type { EventBatch } from "../event/index.js";
import type { Count, Metrics } from "../observe/meter.js";
import { type EventView, Field, Flag, NUMBERED, ROW_HEADER, ROW_WORDS, Row } from "../plugin/index.js";
import type { Span } from "./seen.js";

/** Where counts go. */
export type Counting = Pick<Metrics, "add" | "counter">;

/** What events of one kind are counted in. */
interface Kind {
  /** By stage and level; other kinds are in it, too. */
  readonly events: Count;
  readonly requests: Count;
}

/** The labels of a kind. */
interface Labels {
  readonly stage: string;
  readonly level: string;
  readonly verb: string;
  readonly resource: string;
  readonly code: string;
}

/** Most kinds that are counted separately per source; later ones count as `other`. */
const MOST_KINDS = 2000;
/** Most combinations of numbers that are kept: several may be of one kind. */
const MOST_NUMBERS = 4 * MOST_KINDS;

const KEY_FIELDS = [Field.stage, Field.level, Field.verb, Field.objectRefResource, Field.objectRefSubresource] as const;

/** Where the values that make a kind stand in a row, and their numbers in a row of numbers. */
const COLUMNS = [...KEY_FIELDS, Field.responseStatusCode].map((field) => ({
  span: ROW_HEADER + 2 * field,
  number: NUMBERED.indexOf(field),
}));

/** The kinds of events of one source, found by the numbers of their labels, or by the bytes, so that nothing is decoded twice. */
class Kinds {
  readonly #counting: Counting;
  readonly #source: string;
  /** By the hash of their bytes. */
  readonly #kinds = new Map<number, Kind>();
  /** By the hash of their numbers, for each numbering. */
  readonly #numberings = new WeakMap<object, Map<number, Kind>>();
  /** What came when there were too many. */
  #other: Kind | undefined;

  constructor(counting: Counting, source: string) {
    this.#counting = counting;
    this.#source = source;
  }

  /** Those by the hash of their numbers. */
  numbered(numbering: object): Map<number, Kind> {
    const known = this.#numberings.get(numbering);
    if (known) return known;
    const none = new Map<number, Kind>();
    this.#numberings.set(numbering, none);
    return none;
  }

  /** @param numbered those by the hash of their numbers */
  of(batch: EventBatch, row: number, numbered: Map<number, Kind>): Kind {
    const key = hashOfNumbers(batch, row);
    if (key === undefined) return this.#ofBytes(batch.at(row));
    let kind = numbered.get(key);
    if (!kind) {
      kind = this.#ofBytes(batch.at(row));
      if (numbered.size >= MOST_NUMBERS) numbered.clear();
      numbered.set(key, kind);
    }
    return kind;
  }

  #ofBytes(event: EventView): Kind {
    const key = hashOfBytes(event);
    let kind = this.#kinds.get(key);
    if (!kind && this.#kinds.size < MOST_KINDS) {
      kind = this.#make(labelsOf(event));
      this.#kinds.set(key, kind);
    }
    if (kind) return kind;
    this.#other ??= this.#make(OTHER);
    return this.#other;
  }

  #make({ stage, level, verb, resource, code }: Labels): Kind {
    return {
      events: this.#counting.counter("auditship_events_total", this.#source, stage, level),
      requests: this.#counting.counter("auditship_requests_total", this.#source, verb, resource, code, level, stage),
    };
  }
}

/** Counts what is read, each position once: rows of what was read before are flagged `again` and counted apart. */
export class Counters {
  readonly #meter: Counting;
  readonly #kinds = new Map<string, Kinds>();

  constructor(meter: Counting) {
    this.#meter = meter;
  }

  /** @param fresh what of the batch was never read before, in order */
  count(batch: EventBatch, fresh: readonly Span[]): void {
    const kinds = this.#kindsOf(batch.source);
    const numbered = kinds.numbered(batch.numbering);
    const counts = { again: 0, salvaged: 0, truncated: 0, bytes: 0 };
    if (batch.count > 0) for (const { from, to } of fresh) counts.bytes += to - from;
    let span = 0;
    for (let row = 0; row < batch.count; row++) {
      const flags = batch.flags(row);
      const offset = batch.offset + batch.table[row * ROW_WORDS + Row.line];
      while (span < fresh.length && fresh[span].to <= offset) span++;
      if (span === fresh.length || offset < fresh[span].from) {
        batch.setFlags(row, flags | Flag.again);
        counts.again++;
      } else if (flags & Flag.invalid) {
        this.#meter.add("auditship_invalid_lines_total", 1, batch.source, batch.invalid(row)!.reason);
      } else {
        const kind = kinds.of(batch, row, numbered);
        kind.events.value++;
        kind.requests.value++;
        if (flags & Flag.salvaged) counts.salvaged++;
        if (flags & Flag.truncated) counts.truncated++;
      }
    }
    if (counts.bytes > 0) this.#meter.add("auditship_bytes_total", counts.bytes, batch.source);
    if (counts.salvaged > 0) this.#meter.add("auditship_salvaged_lines_total", counts.salvaged, batch.source);
    if (counts.truncated > 0) this.#meter.add("auditship_truncated_lines_total", counts.truncated, batch.source);
    if (counts.again > 0) this.#meter.add("auditship_events_again_total", counts.again, batch.source);
  }

  #kindsOf(source: string): Kinds {
    let kinds = this.#kinds.get(source);
    if (!kinds) {
      kinds = new Kinds(this.#meter, source);
      this.#kinds.set(source, kinds);
    }
    return kinds;
  }
}

/** A hash of the numbers of an event's labels; undefined if one has no number. As wide as that of the bytes. */
function hashOfNumbers({ numbers, table }: EventBatch, row: number): number | undefined {
  let h = 0;
  for (const { span, number } of COLUMNS) {
    const value = numbers[row * NUMBERED.length + number];
    if (value === 0 && table[row * ROW_WORDS + span] !== 0) return undefined;
    // A product keeps what is in high bits there: the turn brings it down again.
    h = turn(Math.imul(h ^ value, 0x9e3779b1));
  }
  return h;
}

/** A hash of the label bytes, and of the code's first digit. 32 bits: two kinds in one bucket would only mix two counts. */
function hashOfBytes(event: EventView): number {
  const { bytes } = event.batch;
  let h = 0x811c9dc5;
  for (const field of KEY_FIELDS) {
    const end = event.end(field);
    for (let at = event.start(field); at < end; at++) h = Math.imul(h ^ bytes[at], 0x01000193);
    h = turn(Math.imul(h ^ 0xff, 0x9e3779b1));
  }
  const code = event.start(Field.responseStatusCode);
  return Math.imul(h ^ (code > 0 ? bytes[code] : 0), 0x01000193);
}

const turn = (hash: number): number => (hash << 13) | (hash >>> 19);

const OTHER: Labels = { stage: "other", level: "other", verb: "other", resource: "other", code: "other" };

function labelsOf(event: EventView): Labels {
  const name = (field: Field) => label(event.text(field));
  const sub = event.text(Field.objectRefSubresource);
  const code = event.text(Field.responseStatusCode);
  return {
    stage: name(Field.stage),
    level: name(Field.level),
    verb: name(Field.verb),
    resource: label(`${event.text(Field.objectRefResource) ?? ""}${sub ? `/${sub}` : ""}`),
    code: code && /^[1-5]\d\d$/.test(code) ? `${code[0]}xx` : "",
  };
}

/** Names of the API are short and plain; anything else is somebody's text and not shown. */
const label = (text: string | undefined): string =>
  text === undefined ? "" : /^[\w./-]{0,100}$/.test(text) ? text : "other";
