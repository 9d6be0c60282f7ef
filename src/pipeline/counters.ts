import type { EventBatch } from "../event/index.js";
import { type EventView, Field, Flag, type Meter, ROW_WORDS, Row } from "../plugin/index.js";
import type { Span } from "./seen.js";

/** Labels of one kind of event, by which all of that kind are counted at once. */
interface Kind {
  readonly source: string;
  readonly stage: string;
  readonly level: string;
  readonly verb: string;
  readonly resource: string;
  readonly code: string;
  count: number;
}

/** So many kinds are told apart; what comes later is counted under other. */
const MOST_KINDS = 2000;

const KEY_FIELDS = [Field.stage, Field.level, Field.verb, Field.objectRefResource, Field.objectRefSubresource] as const;

/**
 * Counts what is read, each position once: rows of what was read before are flagged `again` and counted apart.
 * Events of one kind are summed up per batch, found by a hash of their raw label bytes, so that nothing is decoded twice.
 */
export class Counters {
  readonly #meter: Meter;
  readonly #kinds = new Map<number, Kind>();
  /** By source: what came when there were too many. */
  readonly #others = new Map<string, Kind>();
  #touched: Kind[] = [];

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** @param fresh what of the batch was never read before, in order */
  count(batch: EventBatch, fresh: readonly Span[]): void {
    const words = new DataView(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.length);
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
        this.#event(batch, row, words);
        if (flags & Flag.salvaged) counts.salvaged++;
        if (flags & Flag.truncated) counts.truncated++;
      }
    }
    this.#flush();
    if (counts.bytes > 0) this.#meter.add("auditship_bytes_total", counts.bytes, batch.source);
    if (counts.salvaged > 0) this.#meter.add("auditship_salvaged_lines_total", counts.salvaged, batch.source);
    if (counts.truncated > 0) this.#meter.add("auditship_truncated_lines_total", counts.truncated, batch.source);
    if (counts.again > 0) this.#meter.add("auditship_events_again_total", counts.again, batch.source);
  }

  #event(batch: EventBatch, row: number, words: DataView): void {
    const event = batch.at(row);
    const key = hash(event, batch.source, words);
    let kind = this.#kinds.get(key);
    if (!kind && this.#kinds.size < MOST_KINDS) {
      kind = describe(event, batch.source);
      this.#kinds.set(key, kind);
    }
    kind ??= this.#other(batch.source);
    if (kind.count++ === 0) this.#touched.push(kind);
  }

  #other(source: string): Kind {
    let kind = this.#others.get(source);
    if (!kind) {
      kind = { source, stage: "other", level: "other", verb: "other", resource: "other", code: "other", count: 0 };
      this.#others.set(source, kind);
    }
    return kind;
  }

  #flush(): void {
    for (const kind of this.#touched) {
      const { source, stage, level, verb, resource, code, count } = kind;
      this.#meter.add("auditship_events_total", count, source, stage, level);
      this.#meter.add("auditship_requests_total", count, source, verb, resource, code, level, stage);
      kind.count = 0;
    }
    this.#touched = [];
  }
}

/** A hash of the label bytes, and of the code's first digit. 32 bits: two kinds in one bucket would only mix two counts. */
function hash(event: EventView, source: string, words: DataView): number {
  const { bytes } = event.batch;
  let h = 0x811c9dc5 ^ source.length;
  for (const field of KEY_FIELDS) {
    const end = event.end(field);
    let at = event.start(field);
    // A product keeps what is in high bits there: the turn brings it down again.
    for (; at + 4 <= end; at += 4) h = turn(Math.imul(h ^ words.getInt32(at, true), 0x9e3779b1));
    for (; at < end; at++) h = Math.imul(h ^ bytes[at], 0x01000193);
    h = turn(Math.imul(h ^ 0xff, 0x9e3779b1));
  }
  const code = event.start(Field.responseStatusCode);
  return Math.imul(h ^ (code > 0 ? bytes[code] : 0), 0x01000193);
}

const turn = (hash: number): number => (hash << 13) | (hash >>> 19);

function describe(event: EventView, source: string): Kind {
  const name = (field: Field) => label(event.text(field));
  const sub = event.text(Field.objectRefSubresource);
  const code = event.text(Field.responseStatusCode);
  return {
    source,
    stage: name(Field.stage),
    level: name(Field.level),
    verb: name(Field.verb),
    resource: label(`${event.text(Field.objectRefResource) ?? ""}${sub ? `/${sub}` : ""}`),
    code: code && /^[1-5]\d\d$/.test(code) ? `${code[0]}xx` : "",
    count: 0,
  };
}

/** Names of the API are short and plain; anything else is somebody's text and not shown. */
const label = (text: string | undefined): string =>
  text === undefined ? "" : /^[\w./-]{0,100}$/.test(text) ? text : "other";
