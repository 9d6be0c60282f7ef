/**
 * What may follow a needle (`../../plugin/follow.ts`).
 *
 * The layout, as `../follow.ts` writes it: its kind, 4 bytes. For `texts`, the number of texts, then for each up to four bytes and
 * a mask of those that count. For the other kinds a table of names; for `query` this is followed by the number of codes, 4 bytes,
 * and the codes, 2 bytes each.
 *
 * A table of names: for each bucket 2 bytes with the offset of its names in the table, then the length of the table, 2 bytes, then
 * the names by bucket, each preceded by a byte with its length; a length of 0 ends a bucket.
 */
import { isSame } from "./bytes";
import { BACKSLASH, CLOSE_BRACE, COMMA, QUOTE, special } from "./json";

const TEXTS: u32 = 0;
const QUERY: u32 = 1;
const BUCKETS: u32 = 64;

const AMPERSAND: u8 = 0x26;
const PERCENT: u8 = 0x25;
const EQUALS: u8 = 0x3d;

/** Whether such text follows at `p`, before the line's end. */
export function isFollowed(p: usize, follow: usize): bool {
  const kind = load<u32>(follow);
  if (kind === TEXTS) return isText(p, follow + 4);
  return kind === QUERY ? isQuery(p, follow + 4) : areMembers(p, follow + 4);
}

function isText(p: usize, texts: usize): bool {
  const word = load<u32>(p);
  const last = texts + <usize>load<u32>(texts) * 8;
  for (let text = texts; text < last; text += 8) {
    if ((word & load<u32>(text, 8)) === load<u32>(text, 4)) return true;
  }
  return false;
}

function isQuery(p: usize, names: usize): bool {
  if (load<u8>(p) === QUOTE) return true;
  const codes = names + <usize>load<u16>(names, BUCKETS * 2);
  while (true) {
    const name = p;
    p = queryEnd(p);
    if (!isName(name, p - name, names)) return false;
    const ends = load<u8>(p);
    if (ends !== EQUALS && ends !== AMPERSAND && ends !== BACKSLASH && ends !== QUOTE) return false;
    while (true) {
      const byte = load<u8>(p);
      if (byte === QUOTE) return true;
      if (byte === AMPERSAND) {
        p++;
        break;
      }
      if (byte === BACKSLASH) {
        // `\u0026`
        if (load<u32>(p) !== 0x3030755c || load<u16>(p, 4) !== 0x3632) return false;
        p += 6;
        break;
      }
      if (byte !== EQUALS && !(byte === PERCENT && isCode(p + 1, codes))) return false;
      p = queryEnd(p + 1);
    }
  }
}

function isCode(p: usize, codes: usize): bool {
  const code = load<u16>(p);
  const last = codes + 4 + <usize>load<u32>(codes) * 2;
  for (let each = codes + 4; each < last; each += 2) if (load<u16>(each) === code) return true;
  return false;
}

function areMembers(p: usize, names: usize): bool {
  // `:{`
  if (load<u16>(p) !== 0x7b3a) return false;
  p += 2;
  if (load<u8>(p) === CLOSE_BRACE) return true;
  while (true) {
    if (load<u8>(p) !== QUOTE) return false;
    const name = p + 1;
    p = plainEnd(name);
    // `":["`
    if (load<u32>(p) !== 0x225b3a22 || !isName(name, p - name, names)) return false;
    p = plainEnd(p + 4);
    // `"]`
    if (load<u16>(p) !== 0x5d22) return false;
    p += 2;
    const next = load<u8>(p);
    if (next !== COMMA) return next === CLOSE_BRACE;
    p++;
  }
}

function isName(p: usize, length: usize, names: usize): bool {
  if (length === 0 || length > 255) return false;
  const bucket = (<u32>load<u8>(p) + <u32>length * 5) & (BUCKETS - 1);
  let name = names + <usize>load<u16>(names + <usize>bucket * 2);
  for (let each = <usize>load<u8>(name); each !== 0; each = <usize>load<u8>(name)) {
    if (each === length && isSame(p, name + 1, length)) return true;
    name += each + 1;
  }
  return false;
}

/** The first byte from `p` on that is one of `" % & + ; = ? @ \` or a control character. */
// @ts-expect-error: decorator
@inline
function queryEnd(p: usize): usize {
  // Indexed by the low and the high half of a byte. One bit each for the high halves 2, 3, 4 and 5, and one that both halves of a
  // control character have.
  const low = i8x16(20, 16, 17, 16, 16, 17, 17, 16, 16, 16, 16, 19, 24, 18, 16, 18);
  const high = i8x16(16, 16, 1, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const nibble = i8x16.splat(15);
  while (true) {
    const bytes = v128.load(p);
    const halves = v128.and(
      i8x16.swizzle(low, v128.and(bytes, nibble)),
      i8x16.swizzle(high, v128.and(i16x8.shr_u(bytes, 4), nibble)),
    );
    const bits = i8x16.bitmask(i8x16.ne(halves, i8x16.splat(0)));
    if (bits) return p + ctz(bits);
    p += 16;
  }
}

/** The first byte from `p` on that needs an escape in a JSON string, or is its closing quote. */
// @ts-expect-error: decorator
@inline
function plainEnd(p: usize): usize {
  while (true) {
    const bits = special(p);
    if (bits) return p + ctz(bits);
    p += 16;
  }
}
