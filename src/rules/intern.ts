import { type EventView, FIELD_PATHS, Field, fieldOfPath } from "../plugin/index.js";
import { hashBytes, sameBytes } from "./spans.js";

/** Fields with few different values: a test of one is done once per value, not once per event. */
export const INTERNED: ReadonlySet<Field> = new Set([
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
]);

/** True if the field's value is an object. */
export function isObject(event: EventView, field: Field): boolean {
  const start = event.start(field);
  return start !== 0 && event.batch.bytes[start] === OPEN_BRACE;
}

const OPEN_BRACE = 0x7b;

/** Tells one event from the next: raised before each. */
export interface Turn {
  now: number;
}

/** What an event means by one field, as far as its bytes say; at most 65,534. */
type Reading = (event: EventView) => number;

const MAX_IDS = 1024;
const MAX_LENGTH = 256;
const SLOTS = 4096;
const ARENA = 64 * 1024;
/** The id of what is not kept: longer than {@link MAX_LENGTH}. */
const UNKNOWN = 0;
/** The ids of a field that is absent, with the object that it stands in there or not. */
const ABSENT = 1;
const UNSET = 2;
const FIRST = 3;

/**
 * A number for each different value of a field, in bounded memory: when it is full it starts over. Nothing is decoded and
 * nothing allocated for a value that was seen before.
 */
export class Interner {
  private readonly slots = new Uint16Array(SLOTS);
  private readonly starts = new Uint32Array(MAX_IDS);
  private readonly ends = new Uint32Array(MAX_IDS);
  private readonly arena = new Uint8Array(ARENA);
  private readonly memos: Uint16Array[] = [];
  private used = 0;
  private next = FIRST;
  private turn = -1;
  private id = UNKNOWN;

  /** The object that the field is a member of, if it has one. */
  private readonly within: Field | undefined;

  constructor(
    private readonly field: Field,
    private readonly clock: Turn,
  ) {
    this.within = fieldOfPath(FIELD_PATHS[field].split(".").slice(0, -1).join("."));
  }

  /** The same reading, done once per value of the field; it must depend on nothing else. */
  memo(reading: Reading): Reading {
    const answers = new Uint16Array(MAX_IDS);
    this.memos.push(answers);
    return (event) => {
      const id = this.turn === this.clock.now ? this.id : this.look(event);
      if (id === UNKNOWN) return reading(event);
      const known = answers[id];
      if (known !== 0) return known - 1;
      const answer = reading(event);
      answers[id] = answer + 1;
      return answer;
    };
  }

  private look(event: EventView): number {
    this.turn = this.clock.now;
    const start = event.start(this.field);
    if (start === 0) this.id = this.within !== undefined && isObject(event, this.within) ? UNSET : ABSENT;
    else this.id = this.find(event.batch.bytes, start, event.end(this.field));
    return this.id;
  }

  private find(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length > MAX_LENGTH) return UNKNOWN;
    let slot = hashBytes(bytes, start, end) & (SLOTS - 1);
    for (let id = this.slots[slot]; id !== 0; id = this.slots[slot]) {
      const at = this.starts[id];
      if (this.ends[id] - at === length && sameBytes(this.arena, at, bytes, start, length)) return id;
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.next === MAX_IDS || this.used + length > ARENA) {
      this.clear();
      slot = hashBytes(bytes, start, end) & (SLOTS - 1);
    }
    return this.add(slot, bytes, start, end);
  }

  private add(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const id = this.next++;
    this.slots[slot] = id;
    this.starts[id] = this.used;
    this.arena.set(bytes.subarray(start, end), this.used);
    this.used += end - start;
    this.ends[id] = this.used;
    return id;
  }

  private clear(): void {
    this.slots.fill(0);
    for (const answers of this.memos) answers.fill(0);
    this.used = 0;
    this.next = FIRST;
  }
}
