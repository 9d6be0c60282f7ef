/** Gives each different value a number, in bounded memory: fields that hold the same bytes have the same number. */
import { isSame } from "./bytes";

/** Longer values, in bytes, have no number. */
const MAX_LENGTH: usize = 512;
/** `NUMBERS` of `../../plugin`. */
const MAX_NUMBERS: u32 = 4096;
const SLOTS: u32 = 8192;
/** Most slots probed: values chosen to collide get no number, and slow nothing down. */
const MAX_PROBES: u32 = 8;
/** In bytes. Together with the slots, the spans and 16 bytes behind, it must be less than `INTERNER` in `../wasm-memory.ts`. */
const ARENA: usize = 192 * 1024;

/** Open addressing: each slot holds a part of a hash, and a number. */
let slots: usize = 0;
/** For each number, where its value begins, and its length. */
let spans: usize = 0;
let arena: usize = 0;
let used: usize = 0;
let next: u32 = 1;

/** Set when there was no room for a value: the numbering has to start over. */
export let full: bool = false;

/** Forgets all numbers. There must be room for the tables from `at` on. */
export function beginNumbers(at: usize): void {
  slots = at;
  spans = slots + <usize>SLOTS * 4;
  arena = spans + <usize>MAX_NUMBERS * 8;
  memory.fill(slots, 0, <usize>SLOTS * 4);
  used = 0;
  next = 1;
  full = false;
}

/** The number of the value [p, end); 0 if it has none. */
export function numberOf(p: usize, end: usize): u32 {
  const length = end - p;
  if (length > MAX_LENGTH) return 0;
  const hash = hashOf(p, end, length);
  const half = <u32>(hash >> 48);
  for (let probe: u32 = 0; probe < MAX_PROBES; probe++) {
    const slot = slots + <usize>((<u32>hash + probe) & (SLOTS - 1)) * 4;
    const entry = load<u32>(slot);
    if (entry === 0) return add(slot, half, p, length);
    if (entry >>> 16 !== half) continue;
    const number = entry & 0xffff;
    const span = spans + <usize>number * 8;
    if (load<u32>(span, 4) === <u32>length && isSame(p, arena + load<u32>(span), length)) return number;
  }
  return 0;
}

function add(slot: usize, half: u32, p: usize, length: usize): u32 {
  if (next === MAX_NUMBERS || used + length > ARENA) {
    full = true;
    return 0;
  }
  const number = next++;
  store<u32>(slot, (half << 16) | number);
  const span = spans + <usize>number * 8;
  store<u32>(span, <u32>used);
  store<u32>(span, <u32>length, 4);
  memory.copy(arena + used, p, length);
  used += length;
  return number;
}

/** A hash of a value's length and up to 32 of its bytes. Values with equal hashes are told apart by their bytes. */
// @ts-ignore: decorator
@inline
function hashOf(p: usize, end: usize, length: usize): u64 {
  let hash: u64 = <u64>length * 0x9e3779b97f4a7c15;
  if (length < 8) hash ^= (load<u64>(p) << (64 - <u64>length * 8)) * 0xc2b2ae3d27d4eb4f;
  else {
    hash ^= load<u64>(p) * 0xc2b2ae3d27d4eb4f;
    hash ^= rotl<u64>(load<u64>(end - 8) * 0x165667b19e3779f9, 31);
    if (length > 16) hash ^= rotl<u64>(load<u64>(p + (length >> 1) - 4) * 0x85ebca77c2b2ae63, 17);
    if (length > 32) hash ^= rotl<u64>(load<u64>(end - 16) * 0x27d4eb2f165667c5, 43);
  }
  hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9;
  return hash ^ (hash >> 32);
}
