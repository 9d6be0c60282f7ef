import { type EventView, FIELD_PATHS, Field, fieldOfPath } from "../plugin/index.js";
import { sameBytes } from "./spans.js";

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

const MAX_IDS = 512;
const MAX_LENGTH = 256;
const SLOTS = 2048;
const ARENA = 32 * 1024;
/** Slots that are looked at: values made to collide are not kept, and slow nothing down. */
const MAX_PROBES = 8;
/** The id of what is not kept. */
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
    const home = sampleHash(bytes, start, end) & (SLOTS - 1);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const slot = (home + probe) & (SLOTS - 1);
      const id = this.slots[slot];
      if (id === 0) return this.add(slot, bytes, start, end);
      const at = this.starts[id];
      if (this.ends[id] - at === length && sameBytes(this.arena, at, bytes, start, length)) return id;
    }
    return UNKNOWN;
  }

  private add(slot: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.next === MAX_IDS || this.used + end - start > ARENA) {
      this.clear();
      return UNKNOWN;
    }
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

/** A hash of a token's length, its last eight bytes and every fifth before; the bytes tell values of one hash apart. */
function sampleHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  const tail = Math.max(start, end - 9);
  for (let i = start + 1; i < tail; i += 5) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  for (let i = tail; i < end - 1; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 15);
}
