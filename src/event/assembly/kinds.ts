/**
 * Gives each kind of row a number, in bounded memory. Rows of one kind hold the same values in some fields and values that begin
 * alike in others, and compare alike with some latencies.
 *
 * The layout of a likeness, as `../kinds.ts` writes it: the size of the mask in bytes, a multiple of 16; the number of other
 * fields; the number of latencies; 4 unused bytes. Then the latencies, 8 bytes for each of four; the mask, which selects from a
 * row's numbers those of the fields; for each two-byte number under the mask, the offset of the field's span in the row, two bytes;
 * and the same for each other field.
 */
import { bytes, numbersBytes, rowBytes } from "./scan";

/** `MAX_KINDS`, and slots for them. */
const MAX_KINDS: u32 = 8192;
const SLOTS: u32 = 16_384;
/** Most slots probed: rows chosen to collide get no number, and slow nothing down. */
const MAX_PROBES: u32 = 8;
/** Where the mask begins: behind four latencies. */
const MASK: usize = 16 + 4 * 8;
/** Bytes of a key, as in `../kinds.ts`: up to 48 of numbers, half a byte for each other field, and one for latencies. */
const MAX_KEY: usize = 64;

/** Open addressing: each slot holds a part of a hash, and a number. */
let slots: usize = 0;
/** For each number, its key. */
let keys: usize = 0;
let next: u32 = 1;
/** The key of the current row. */
const key: usize = memory.data(64);
/** For each first byte of a value, how it begins. */
const beginnings: usize = memory.data(256);

/** Set when there was no room for a kind: the numbering has to start over. */
export let kindsFull: bool = false;

/** Forgets all kinds. There must be room for the tables from `at` on. */
export function beginKinds(at: usize): void {
  slots = at;
  keys = slots + <usize>SLOTS * 4;
  memory.fill(slots, 0, <usize>SLOTS * 4);
  next = 1;
  kindsFull = false;
  // 1 stands for numbers, true and false; 0 for a missing value.
  memory.fill(beginnings, 1, 256);
  store<u8>(beginnings + 0x22, 2);
  store<u8>(beginnings + 0x7b, 3);
  store<u8>(beginnings + 0x5b, 4);
  store<u8>(beginnings + 0x6e, 5);
}

/**
 * Writes the kind of each of `count` rows to `out`, two bytes each; 0 if one of its values has no number, or there is no room.
 * @param latencies of the rows, 8 bytes each
 */
export function kinds(
  likeness: usize,
  rows: usize,
  rowNumbers: usize,
  latencies: usize,
  count: u32,
  out: usize,
): void {
  let row = rows;
  let numbers = rowNumbers;
  for (let i: u32 = 0; i < count; i++) {
    store<u16>(out, <u16>(fillKey(likeness, row, numbers, latencies) ? kindOf(load<u32>(likeness)) : 0));
    row += rowBytes;
    numbers += numbersBytes;
    latencies += 8;
    out += 2;
  }
}

/** Writes the key of a row; false if one of its values has no number. */
// @ts-expect-error: decorator
@inline
function fillKey(likeness: usize, row: usize, numbers: usize, latency: usize): bool {
  const maskBytes = <usize>load<u32>(likeness);
  const others = load<u32>(likeness, 4);
  const mask = likeness + MASK;
  let spans = mask + maskBytes;
  for (let i: usize = 0; i < maskBytes; i += 16) {
    const masked = v128.and(v128.load(numbers + i), v128.load(mask + i));
    v128.store(key + i, masked);
    let missing = i16x8.bitmask(v128.and(i16x8.eq(masked, i16x8.splat(0)), v128.load(mask + i)));
    while (missing) {
      // The number is 0: fails unless there is no value.
      if (load<u32>(row + <usize>load<u16>(spans + 2 * (i / 2 + <usize>ctz(missing))))) return false;
      missing &= missing - 1;
    }
  }
  spans += maskBytes;
  const few = min(others, 16);
  const low = shapes(row, spans, few);
  const high = shapes(row, spans + 2 * <usize>few, others - few);
  store<u64>(key + maskBytes, low);
  store<u64>(key + maskBytes, (high << 8) | comparisons(likeness, load<f64>(latency)), 8);
  return true;
}

/** How the values of up to 16 fields begin, half a byte each. */
// @ts-expect-error: decorator
@inline
function shapes(row: usize, spans: usize, count: u32): u64 {
  let all: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const start = load<u32>(row + <usize>load<u16>(spans + 2 * <usize>i));
    all = (all << 4) | <u64>(start ? load<u8>(beginnings + <usize>load<u8>(bytes + start)) : 0);
  }
  return all;
}

/** How a latency compares with those of the likeness, two bits each. */
// @ts-expect-error: decorator
@inline
function comparisons(likeness: usize, latency: f64): u64 {
  const count = load<u32>(likeness, 8);
  let all: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const other = load<f64>(likeness + 16 + 8 * <usize>i);
    all = (all << 2) | <u64>(latency < other ? 0 : latency === other ? 1 : latency > other ? 2 : 3);
  }
  return all;
}

function kindOf(maskBytes: usize): u32 {
  const hash = hashOf(maskBytes + 16);
  const half = <u32>(hash >> 48);
  for (let probe: u32 = 0; probe < MAX_PROBES; probe++) {
    const slot = slots + <usize>((<u32>hash + probe) & (SLOTS - 1)) * 4;
    const entry = load<u32>(slot);
    if (entry === 0) return add(slot, half, maskBytes + 16);
    if (entry >>> 16 !== half) continue;
    if (isKey(keys + <usize>(entry & 0xffff) * MAX_KEY, maskBytes + 16)) return entry & 0xffff;
  }
  return 0;
}

function add(slot: usize, half: u32, length: usize): u32 {
  if (next === MAX_KINDS) {
    kindsFull = true;
    return 0;
  }
  const kind = next++;
  store<u32>(slot, (half << 16) | kind);
  memory.copy(keys + <usize>kind * MAX_KEY, key, length);
  return kind;
}

// @ts-expect-error: decorator
@inline
function hashOf(length: usize): u64 {
  let a: u64 = 0x9e3779b97f4a7c15;
  let b: u64 = 0xc2b2ae3d27d4eb4f;
  for (let i: usize = 0; i < length; i += 16) {
    a = rotl<u64>((a ^ load<u64>(key + i)) * 0x85ebca77c2b2ae63, 29);
    b = rotl<u64>((b ^ load<u64>(key + i, 8)) * 0x165667b19e3779f9, 31);
  }
  const hash = (a ^ (a >> 32) ^ b) * 0xbf58476d1ce4e5b9;
  return hash ^ (hash >> 32);
}

// @ts-expect-error: decorator
@inline
function isKey(known: usize, length: usize): bool {
  for (let i: usize = 0; i < length; i += 8) if (load<u64>(known + i) !== load<u64>(key + i)) return false;
  return true;
}
