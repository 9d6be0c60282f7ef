import {
  type Batch,
  type EventView,
  FIELD_PATHS,
  type Field,
  fieldOfPath,
  NUMBERED,
  NUMBERS,
  OPEN_BRACE,
  ROW_HEADER,
  ROW_WORDS,
} from "../plugin/index.js";
import { wordsOf } from "./words.js";

/** Fields with few different values: a test of one runs once per value, not once per event. */
export const INTERNED: ReadonlySet<Field> = new Set(NUMBERED);

/** The field and, if there is one, the object that it is a member of: together they tell an unset field from an absent one. */
export function withParent(field: Field): readonly Field[] {
  const parent = parentOf(field);
  return parent === undefined ? [field] : [field, parent];
}

/** The object that a field is a member of. */
export function parentOf(field: Field): Field | undefined {
  return fieldOfPath(FIELD_PATHS[field].split(".").slice(0, -1).join("."));
}

/** True if the field's value is an object. */
export function isObject(event: EventView, field: Field): boolean {
  const start = event.start(field);
  return start !== 0 && event.batch.bytes[start] === OPEN_BRACE;
}

/** The half of a slot that holds part of the hash; the id is in the other half. */
const UPPER = 0xffff_0000 | 0;

const NO_BYTES = new Uint8Array(0);

/** The current event, shared by everything that caches results for one event. */
export class Turn {
  /** Changes with each event. */
  now = 0;
  /** The bytes of its batch, for reading four at a time. */
  words: DataView = new DataView(NO_BYTES.buffer);
  /** See {@link Batch.numbering}. */
  numbering: object = this;
  private numbers: Uint16Array = new Uint16Array(0);
  /** Where the numbers of the event's values begin. */
  private numbersAt = 0;
  private table: Uint32Array = new Uint32Array(0);
  /** Where the spans of its fields begin in the table. */
  private fields = 0;
  private bytes: Uint8Array = NO_BYTES;
  private readonly memos: Uint16Array[] = [];

  /** Moves on to the next event. */
  next({ batch, row }: EventView): void {
    this.now = (this.now + 1) | 0;
    this.fields = row * ROW_WORDS + ROW_HEADER;
    this.numbersAt = row * NUMBERED.length;
    if (batch.table !== this.table || batch.bytes !== this.bytes || batch.numbering !== this.numbering)
      this.turnTo(batch);
  }

  private turnTo(batch: Batch): void {
    this.table = batch.table;
    this.numbers = batch.numbers;
    this.bytes = batch.bytes;
    if (batch.numbering !== this.numbering) for (const memo of this.memos) memo.fill(0);
    this.numbering = batch.numbering;
    this.words = wordsOf(this.bytes);
  }

  /** An array for results by the numbers of a field's values. It is zeroed when the numbers come to stand for other values. */
  byNumber(): Uint16Array {
    const memo = new Uint16Array(NUMBERS);
    this.memos.push(memo);
    return memo;
  }

  /** The number of the value of field NUMBERED[index]; 0 if it has none. */
  number(index: number): number {
    return this.numbers[this.numbersAt + index];
  }

  /** See {@link EventView.start}. */
  start(field: Field): number {
    return this.table[this.fields + 2 * field];
  }

  /** See {@link EventView.end}. */
  end(field: Field): number {
    return this.table[this.fields + 2 * field + 1];
  }
}

const MAX_IDS = 4096;
const FEW_IDS = 32;
const MAX_LENGTH = 512;
const SLOTS = 16_384;
const ARENA = 192 * 1024;
/** Most slots probed: values chosen to collide are not kept, and slow nothing down. */
const MAX_PROBES = 8;
/** The id of values that are not kept. */
const UNKNOWN = 0;
/** The ids of a missing field: `ABSENT` if the object that it belongs in is missing too, `UNSET` if that is present. */
const ABSENT = 1;
const UNSET = 2;
const FIRST = 3;

/** Small numbers (up to 65,534), stored by the ids of an interner. */
export class Memo {
  /** The number plus one; 0 where there is none. Allocated with the first `set`. */
  private numbers = new Uint16Array(0);

  /** The number stored for an id; -1 if there is none. */
  get(id: number): number {
    return id < this.numbers.length ? this.numbers[id] - 1 : -1;
  }

  set(id: number, number: number): void {
    if (id === UNKNOWN) return;
    if (id >= this.numbers.length) this.grow(id);
    this.numbers[id] = number + 1;
  }

  /** Starts small, because each test has a Memo: most fields have few values, and a condition may have tens of thousands of tests. */
  private grow(id: number): void {
    const numbers = new Uint16Array(Math.max(FEW_IDS, 2 ** (32 - Math.clz32(id))));
    numbers.set(this.numbers);
    this.numbers = numbers;
  }

  clear(): void {
    this.numbers.fill(0);
  }
}

/**
 * Gives each different value of a field an id, in bounded memory: when it is full it starts over. A value that was seen before is
 * looked up without decoding or allocating.
 */
export class Interner {
  /** Open addressing: each slot holds the upper half of a value's hash, and the value's id. */
  private readonly slots = new Uint32Array(SLOTS);
  /** For each id, where its value begins in the arena, and its length. */
  private readonly spans = new Uint32Array(2 * MAX_IDS);
  private readonly arena = new DataView(new ArrayBuffer(ARENA));
  private readonly memos: Memo[] = [];
  /** Ids by the numbers that batches give to values. */
  private readonly byNumber: Uint16Array;
  private readonly index: number;
  private used = 0;
  private next = FIRST;
  /** The turn for which `id` was looked up. */
  private seen = -1;
  private id = UNKNOWN;

  /** The object that the field is a member of, if there is one. */
  private readonly within: Field | undefined;

  constructor(
    private readonly field: Field,
    private readonly turn: Turn,
  ) {
    this.within = parentOf(field);
    this.byNumber = turn.byNumber();
    this.index = NUMBERED.indexOf(field);
  }

  /** A memo by id, cleared when the ids are. */
  memo(): Memo {
    const memo = new Memo();
    this.memos.push(memo);
    return memo;
  }

  /** The id of the event's value, looked up once per event; 0 if it has none. */
  idOf(event: EventView): number {
    const { turn } = this;
    if (this.seen === turn.now) return this.id;
    this.seen = turn.now;
    const start = turn.start(this.field);
    if (start === 0) this.id = this.within !== undefined && isObject(event, this.within) ? UNSET : ABSENT;
    else this.id = this.idOfNumber(turn.number(this.index), start);
    return this.id;
  }

  /** The id of a numbered value, looked up once per number. */
  private idOfNumber(number: number, start: number): number {
    const known = this.byNumber[number];
    if (known !== UNKNOWN) return known;
    const { turn } = this;
    const id = this.find(turn.words, start, turn.end(this.field) - start);
    if (number !== 0) this.byNumber[number] = id;
    return id;
  }

  private find(words: DataView, start: number, length: number): number {
    if (length > MAX_LENGTH) return UNKNOWN;
    const hash = sampleHash(words, start, length);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const slot = (hash + probe) & (SLOTS - 1);
      const entry = this.slots[slot];
      if (entry === 0) return this.add(slot, hash, words, start, length);
      if (((entry ^ hash) & UPPER) !== 0) continue;
      const id = entry & ~UPPER;
      const at = 2 * id;
      if (this.spans[at + 1] === length && sameWords(this.arena, this.spans[at], words, start, length)) return id;
    }
    return UNKNOWN;
  }

  private add(slot: number, hash: number, words: DataView, start: number, length: number): number {
    if (this.next === MAX_IDS || this.used + length > ARENA) {
      this.clear();
      return UNKNOWN;
    }
    const id = this.next++;
    this.slots[slot] = (hash & UPPER) | id;
    this.spans[2 * id] = this.used;
    this.spans[2 * id + 1] = length;
    for (let i = 0; i < length; i++) this.arena.setUint8(this.used + i, words.getUint8(start + i));
    this.used += length;
    return id;
  }

  private clear(): void {
    this.slots.fill(0);
    this.byNumber.fill(0);
    for (const memo of this.memos) memo.clear();
    this.used = 0;
    this.next = FIRST;
  }
}

/** A hash of a token's length and four of its words. Values with equal hashes are told apart by their bytes. */
function sampleHash(words: DataView, start: number, length: number): number {
  let hash = length;
  if (length < 4) {
    for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ words.getUint8(i), PRIME);
  } else {
    const end = start + length;
    hash ^= Math.imul(words.getUint32(start, true), PRIME) ^ Math.imul(words.getUint32(end - 4, true), PRIME_2);
    if (length > 8) {
      const middle = words.getUint32(start + (length >>> 1) - 2, true);
      hash ^= Math.imul(words.getUint32(end - 8, true), PRIME_3) ^ Math.imul(middle, PRIME_4);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME);
  return hash ^ (hash >>> 16);
}

const PRIME = 0x9e3779b1 | 0;
const PRIME_2 = 0x85ebca77 | 0;
const PRIME_3 = 0xc2b2ae3d | 0;
const PRIME_4 = 0x27d4eb2f | 0;

function sameWords(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  if (length < 4) {
    for (let i = 0; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false;
    return true;
  }
  const last = length - 4;
  for (let i = 0; i < last; i += 4) if (a.getUint32(aStart + i, true) !== b.getUint32(bStart + i, true)) return false;
  return a.getUint32(aStart + last, true) === b.getUint32(bStart + last, true);
}
