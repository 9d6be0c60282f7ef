/**
 * JSON (RFC 8259) as bytes, in AssemblyScript: `../json.ts`, 16 bytes at a time. Functions take and return addresses. 0 means that
 * the text is malformed, or too unusual to be worth code here: then the TypeScript scanner reads it. The text must be followed by a
 * byte that no token can run over (a line's newline), and by 16 readable bytes.
 */

export const QUOTE: u8 = 0x22;
export const BACKSLASH: u8 = 0x5c;
export const COMMA: u8 = 0x2c;
export const COLON: u8 = 0x3a;
export const OPEN_BRACE: u8 = 0x7b;
export const CLOSE_BRACE: u8 = 0x7d;
export const OPEN_BRACKET: u8 = 0x5b;
export const CLOSE_BRACKET: u8 = 0x5d;
export const SPACE: u8 = 0x20;
export const NEWLINE: u8 = 0x0a;
export const RETURN: u8 = 0x0d;
const TAB: u8 = 0x09;

/** Deepest nesting handled here; anything deeper is left to the TypeScript scanner. */
const MAX_DEPTH: u32 = 100;
/** The closing bytes of the containers that are open in `containerEnd`. */
const nesting: usize = memory.data(104);

/** 1 for bytes that may follow a backslash; 2 for `u`. */
const escapes: usize = memory.data(256);
/** 1 for hexadecimal digits. */
const hex: usize = memory.data(256);

/** Quote, backslash and the last control character, 16 times each. Loading them is faster than making them each time. */
const specials: usize = memory.data(48, 16);

/** Fills the tables; called once. */
export function prepare(): void {
  memory.fill(specials, 0x22, 16);
  memory.fill(specials + 16, 0x5c, 16);
  memory.fill(specials + 32, 0x1f, 16);
  store<u8>(escapes + 0x22, 1);
  store<u8>(escapes + 0x5c, 1);
  store<u8>(escapes + 0x2f, 1);
  store<u8>(escapes + 0x62, 1);
  store<u8>(escapes + 0x66, 1);
  store<u8>(escapes + 0x6e, 1);
  store<u8>(escapes + 0x72, 1);
  store<u8>(escapes + 0x74, 1);
  store<u8>(escapes + 0x75, 2);
  for (let digit: u32 = 0x30; digit <= 0x39; digit++) store<u8>(hex + digit, 1);
  for (let digit: u32 = 0x41; digit <= 0x46; digit++) {
    store<u8>(hex + digit, 1);
    store<u8>(hex + (digit | 0x20), 1);
  }
}

/** The first byte from `p` on that is not white space within a line. */
// @ts-expect-error: decorator
@inline
export function skipSpace(p: usize): usize {
  return load<u8>(p) > SPACE ? p : spaceEnd(p);
}

function spaceEnd(p: usize): usize {
  while (true) {
    const byte = load<u8>(p);
    if (byte !== SPACE && byte !== TAB && byte !== RETURN) return p;
    p++;
  }
}

/** A bit for each of the 16 bytes at `p` that is special in a string: quote, backslash, control characters. */
// @ts-expect-error: decorator
@inline
export function special(p: usize): u32 {
  const bytes = v128.load(p);
  return i8x16.bitmask(
    v128.or(
      v128.or(i8x16.eq(bytes, v128.load(specials)), i8x16.eq(bytes, v128.load(specials, 16))),
      i8x16.eq(i8x16.min_u(bytes, v128.load(specials, 32)), bytes),
    ),
  );
}

/** The closing quote of the string whose content begins at `p`. */
// @ts-expect-error: decorator
@inline
export function stringEnd(p: usize): usize {
  const bits = special(p);
  if (!bits) return longStringEnd(p + 16);
  const at = p + ctz(bits);
  return load<u8>(at) === QUOTE ? at : longStringEnd(at);
}

function longStringEnd(p: usize): usize {
  while (true) {
    const bits = special(p);
    if (!bits) {
      p += 16;
      continue;
    }
    p += ctz(bits);
    const byte = load<u8>(p);
    if (byte === QUOTE) return p;
    if (byte !== BACKSLASH) return 0;
    const follows = load<u8>(escapes + load<u8>(p, 1));
    if (follows === 1) p += 2;
    else if (follows === 2 && isHex(p + 2)) p += 6;
    else return 0;
  }
}

function isHex(p: usize): bool {
  return (
    (load<u8>(hex + load<u8>(p)) &
      load<u8>(hex + load<u8>(p, 1)) &
      load<u8>(hex + load<u8>(p, 2)) &
      load<u8>(hex + load<u8>(p, 3))) !==
    0
  );
}

/** The byte after a number, `true`, `false` or `null`. */
function scalarEnd(p: usize): usize {
  switch (load<u8>(p)) {
    case 0x74: // true
      return load<u32>(p) === 0x65757274 ? p + 4 : 0;
    case 0x66: // false
      return load<u32>(p, 1) === 0x65736c61 ? p + 5 : 0;
    case 0x6e: // null
      return load<u32>(p) === 0x6c6c756e ? p + 4 : 0;
    default:
      return numberEnd(p);
  }
}

function numberEnd(p: usize): usize {
  if (load<u8>(p) === 0x2d) p++;
  p = load<u8>(p) === 0x30 ? p + 1 : digitsEnd(p);
  if (p && load<u8>(p) === 0x2e) p = digitsEnd(p + 1);
  if (p && (load<u8>(p) | 0x20) === 0x65) {
    const sign = load<u8>(p, 1);
    p = digitsEnd(sign === 0x2b || sign === 0x2d ? p + 2 : p + 1);
  }
  return p;
}

/** The byte after one or more digits. */
function digitsEnd(p: usize): usize {
  const start = p;
  while (load<u8>(p) - 0x30 <= 9) p++;
  return p > start ? p : 0;
}

/** The byte after the value at `p`, of any type. */
// @ts-expect-error: decorator
@inline
export function valueEnd(p: usize): usize {
  const byte = load<u8>(p);
  if (byte === QUOTE) {
    const end = stringEnd(p + 1);
    return end ? end + 1 : 0;
  }
  return (byte | 0x20) === OPEN_BRACE ? containerEnd(p) : scalarEnd(p);
}

/** The value of the member whose key should begin with a quote at `p`. */
// @ts-expect-error: decorator
@inline
function memberValue(p: usize): usize {
  if (load<u8>(p) !== QUOTE) return 0;
  const end = stringEnd(p + 1);
  return end ? afterColon(end + 1) : 0;
}

/** The first byte of the value after a colon, which is expected at `p`. */
// @ts-expect-error: decorator
@inline
export function afterColon(p: usize): usize {
  p = skipSpace(p);
  return load<u8>(p) === COLON ? skipSpace(p + 1) : 0;
}

/** The byte after the object or array at `p`. */
function containerEnd(p: usize): usize {
  let depth: u32 = 0;
  let close: u8 = 0;
  while (true) {
    const byte = load<u8>(p);
    if (byte === QUOTE) {
      const end = stringEnd(p + 1);
      if (!end) return 0;
      p = end + 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      const closing: u8 = byte + 2;
      p = skipSpace(p + 1);
      if (load<u8>(p) === closing) p++;
      else {
        if (depth === MAX_DEPTH) return 0;
        store<u8>(nesting + depth, close);
        depth++;
        close = closing;
        if (closing === CLOSE_BRACE) {
          p = memberValue(p);
          if (!p) return 0;
        }
        continue;
      }
    } else {
      p = scalarEnd(p);
      if (!p) return 0;
    }
    while (true) {
      if (depth === 0) return p;
      p = skipSpace(p);
      const next = load<u8>(p);
      p++;
      if (next === close) {
        depth--;
        close = load<u8>(nesting + depth);
        continue;
      }
      if (next !== COMMA) return 0;
      p = skipSpace(p);
      if (close === CLOSE_BRACE) {
        p = memberValue(p);
        if (!p) return 0;
      }
      break;
    }
  }
}
