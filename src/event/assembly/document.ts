/**
 * Writes documents in shape `native` (`../view.ts`, `writeDocument`), each in its frame and with its id (`../id.ts`). TypeScript
 * (`../framing.ts`) decides for which rows, and provides their lines and what stages added to them.
 */
import { copy } from "./bytes";
import { CLOSE_BRACE } from "./json";
import { matchesLength, writeMatches } from "./matches";

/** Bytes of a row's header, and where in it the line's start and end are. */
const HEADER: usize = 8 * 4;
const LINE: usize = 12;
const LINE_END: usize = 16;

let bytes: usize = 0;
let rows: usize = 0;
let rowBytes: usize = 0;
let latencies: usize = 0;
/** Where in a row the spans of the fields that make up an id are. */
let auditID: usize = 0;
let stage: usize = 0;
let stageTimestamp: usize = 0;

/** Sets where the batch is, and which fields make up an id. */
export function beginDocuments(
  batch: usize,
  table: usize,
  rowLength: usize,
  latency: usize,
  auditIDField: usize,
  stageField: usize,
  stageTimestampField: usize,
): void {
  bytes = batch;
  rows = table;
  rowBytes = rowLength;
  latencies = latency;
  auditID = HEADER + auditIDField * 8;
  stage = HEADER + stageField * 8;
  stageTimestamp = HEADER + stageTimestampField * 8;
}

let ids: usize = 0;
let spans: usize = 0;
let parts: usize = 0;
/** Address and length of each text. */
let texts: usize = 0;

/**
 * Says where things are: room for ids, one behind the other; for the spans of each document (its start, the comma before our
 * members, its end, the end of its frame); for each row the parts that it is made of: address and length of its line without
 * the closing brace, and of its further members, the template of its matches, or 0, and of how many pieces its line is made, whose
 * addresses and lengths then stand at the line's address, or 0; and for the places of the texts.
 */
export function beginOutput(idsAt: usize, spansAt: usize, partsAt: usize, textsAt: usize): void {
  ids = idsAt;
  spans = spansAt;
  parts = partsAt;
  texts = textsAt;
}

/**
 * Numbers of the texts that are in every document: the three parts of its frame, our members up to the offset, the file's part of
 * ids.
 */
const BEFORE: usize = 0;
const BETWEEN: usize = 1;
const AFTER: usize = 2;
const OPENING: usize = 3;
const FILE: usize = 4;

/** Sets where one of them is. */
export function setText(number: usize, at: usize, length: u32): void {
  store<u32>(texts + number * 8, <u32>at);
  store<u32>(texts + number * 8, length, 4);
}

/** `,"@timestamp":` and `,"latencyMs":`. */
const TIMESTAMP: usize = memory.data<u8>([
  0x2c, 0x22, 0x40, 0x74, 0x69, 0x6d, 0x65, 0x73, 0x74, 0x61, 0x6d, 0x70, 0x22, 0x3a, 0, 0,
]);
const TIMESTAMP_LENGTH: usize = 14;
const LATENCY: usize = memory.data<u8>([
  0x2c, 0x22, 0x6c, 0x61, 0x74, 0x65, 0x6e, 0x63, 0x79, 0x4d, 0x73, 0x22, 0x3a, 0, 0, 0,
]);
const LATENCY_LENGTH: usize = 13;
/** Most bytes of a document besides its line, its time, the texts and the further members. */
const REST: usize = 128;

/** Bytes of a row's parts. */
const PART: usize = 24;

/** The bytes that the last call wrote, and whether it stopped before matches that cannot be written here. */
export let written: u32 = 0;
export let refused: bool = false;

/**
 * Writes the documents of the rows [first, last) of a batch that begins at `offset` of its file; returns how many. It stops before
 * a document that does not fit, lacks one of its times, or has matches that cannot be written here. There is room from `out` to
 * `outEnd`, and for 16 more bytes. Spans count from `origin`.
 */
export function writeDocuments(
  first: u32,
  last: u32,
  offset: u64,
  out: usize,
  outEnd: usize,
  origin: usize,
): u32 {
  let to = out;
  let id = ids;
  let span = spans;
  let part = parts;
  let row = first;
  refused = false;
  const room = outEnd - textsLength() - REST;
  while (row < last) {
    const at = rows + <usize>row * rowBytes;
    const length = <usize>load<u32>(part, 4);
    const membersLength = <usize>load<u32>(part, 12);
    const time = <usize>load<u32>(at + stageTimestamp);
    const timeLength = <usize>load<u32>(at + stageTimestamp, 4) - time;
    const latency = load<f64>(latencies + <usize>row * 8);
    const template = <usize>load<u32>(part, 16);
    const addedLength = membersLength + (template === 0 ? 0 : matchesLength(template, at));
    if (time === 0 || latency !== latency || to + length + timeLength + addedLength > room) break;
    const start = to;
    const place = offset + <u64>load<u32>(at, LINE);
    const idEnd = writeId(id, at, place);
    to = text(to, BEFORE);
    to = copy(to, id, idEnd - id);
    to = text(to, BETWEEN);
    store<u32>(span, <u32>(to - origin));
    const pieces = load<u32>(part, 20);
    to = pieces === 0 ? copy(to, load<u32>(part), length) : copyPieces(to, load<u32>(part), pieces);
    store<u32>(span, <u32>(to - origin), 4);
    to = copy(to, TIMESTAMP, TIMESTAMP_LENGTH);
    to = copy(to, bytes + time, timeLength);
    to = text(to, OPENING);
    to = integer(to, place);
    to = latencyMs(to, latency);
    to = copy(to, load<u32>(part, 8), membersLength);
    if (template !== 0) {
      to = writeMatches(to, template, at, bytes);
      refused = to === 0;
      if (refused) {
        to = start;
        break;
      }
    }
    store<u8>(to, CLOSE_BRACE);
    store<u8>(to, CLOSE_BRACE, 1);
    to += 2;
    store<u32>(span, <u32>(to - origin), 8);
    to = text(to, AFTER);
    store<u32>(span, <u32>(to - origin), 12);
    id = idEnd;
    span += 16;
    part += PART;
    row++;
  }
  written = <u32>(to - out);
  return row - first;
}

/** Appends pieces, whose addresses and lengths stand at `piece`. */
function copyPieces(to: usize, piece: usize, count: u32): usize {
  for (; count > 0; count--) {
    to = copy(to, load<u32>(piece), load<u32>(piece, 4));
    piece += 8;
  }
  return to;
}

function textsLength(): usize {
  let length: usize = 0;
  for (let number: usize = BEFORE; number <= FILE; number++) length += <usize>load<u32>(texts + number * 8, 4);
  return length;
}

/** Appends one of the texts. */
// @ts-expect-error: decorator
@inline
function text(to: usize, number: usize): usize {
  return copy(to, load<u32>(texts + number * 8), load<u32>(texts + number * 8, 4));
}

const BILLION: u32 = 1_000_000_000;

/** Appends a whole number. 64-bit divisions are slow, so there is only one for every nine digits. */
function integer(to: usize, value: u64): usize {
  if (value < BILLION) return digits(to, <u32>value, countDigits(<u32>value));
  const high = value / BILLION;
  return digits(integer(to, high), <u32>(value - high * BILLION), 9);
}

/** The number of digits of a number below a billion. */
function countDigits(value: u32): usize {
  let count: usize = 1;
  for (let power: u32 = 10; power <= value; power *= 10) count++;
  return count;
}

/** Appends the last `count` digits. */
// @ts-expect-error: decorator
@inline
function digits(to: usize, value: u32, count: usize): usize {
  for (let at = to + count - 1; at >= to; at--) {
    const rest = value / 10;
    store<u8>(at, 0x30 + <u8>(value - rest * 10));
    value = rest;
  }
  return to + count;
}

/** Appends the member `latencyMs`: up to three decimals, without trailing zeros. */
function latencyMs(to: usize, latency: f64): usize {
  to = copy(to, LATENCY, LATENCY_LENGTH);
  const micros = <u64>Math.round(Math.abs(latency) * 1000);
  if (latency < 0 && micros > 0) store<u8>(to++, 0x2d);
  const whole = micros < BILLION ? <u64>(<u32>micros / 1000) : micros / 1000;
  to = integer(to, whole);
  let fraction = <u32>(micros - whole * 1000);
  if (fraction === 0) return to;
  let count: usize = 3;
  while (fraction % 10 === 0) {
    fraction /= 10;
    count--;
  }
  store<u8>(to, 0x2e);
  return digits(to + 1, fraction, count);
}

/** `SpanHash` of `../id.ts`. */
let hashA: u32 = 0;
let hashB: u32 = 0;
const MULTIPLIER_A: u32 = 2654435761;
const MULTIPLIER_B: u32 = 1597334677;

// @ts-expect-error: decorator
@inline
function hashNumber(value: u32): void {
  hashA = (hashA ^ value) * MULTIPLIER_A;
  hashB = (hashB ^ value) * MULTIPLIER_B;
}

/** Adds the bytes of a field. */
function hashSpan(field: usize): void {
  const start = bytes + load<u32>(field);
  const end = bytes + load<u32>(field, 4);
  let a = hashA;
  let b = hashB;
  let p = start;
  for (; p + 4 <= end; p += 4) {
    const word = load<u32>(p);
    a = rotl<u32>((a ^ word) * MULTIPLIER_A, 15);
    b = rotl<u32>((b ^ word) * MULTIPLIER_B, 13);
  }
  for (; p < end; p++) {
    const byte = <u32>load<u8>(p);
    a = (a ^ byte) * MULTIPLIER_A;
    b = (b ^ byte) * MULTIPLIER_B;
  }
  hashA = a;
  hashB = b;
  hashNumber(<u32>(end - start));
}

/** murmur3's finaliser. */
// @ts-expect-error: decorator
@inline
function mix(hash: u32): u32 {
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

/** Writes the id of the row at `at`, whose line begins at `place` of its file; returns where it ends. */
function writeId(to: usize, at: usize, place: u64): usize {
  hashA = 0xdeadbeef;
  hashB = 0x41c6ce57;
  hashSpan(at + auditID);
  hashSpan(at + stage);
  hashSpan(at + stageTimestamp);
  hashNumber(load<u32>(at, LINE_END) - load<u32>(at, LINE));
  const high = mix(hashA ^ hashB);
  const low = mix(hashB ^ (hashA >> 16));
  to = text(to, FILE);
  base64(to, <u32>(place >> 24));
  base64(to + 4, <u32>place & 0xffffff);
  // The item number, 32 bits: always 0 here.
  base64(to + 8, 0);
  base64(to + 12, high >> 16);
  base64(to + 16, ((high & 0xffff) << 8) | (low >> 24));
  base64(to + 20, low & 0xffffff);
  return to + 24;
}

/** Writes 24 bits as four characters of base64url. */
// @ts-expect-error: decorator
@inline
function base64(to: usize, bits: u32): void {
  store<u8>(to, load<u8>(ALPHABET + (bits >> 18)));
  store<u8>(to, load<u8>(ALPHABET + ((bits >> 12) & 63)), 1);
  store<u8>(to, load<u8>(ALPHABET + ((bits >> 6) & 63)), 2);
  store<u8>(to, load<u8>(ALPHABET + (bits & 63)), 3);
}

/** The alphabet of base64url (RFC 4648 §5). */
const ALPHABET: usize = memory.data(64);

/** Fills the alphabet; called once. */
function spell(): void {
  for (let i: usize = 0; i < 26; i++) {
    store<u8>(ALPHABET + i, <u8>(0x41 + i));
    store<u8>(ALPHABET + 26 + i, <u8>(0x61 + i));
  }
  for (let i: usize = 0; i < 10; i++) store<u8>(ALPHABET + 52 + i, <u8>(0x30 + i));
  store<u8>(ALPHABET + 62, 0x2d);
  store<u8>(ALPHABET + 63, 0x5f);
}

spell();
