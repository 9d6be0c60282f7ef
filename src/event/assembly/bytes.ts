/** Copies bytes. Up to 16 more are read and written. Returns where they end. */
// @ts-expect-error: decorator
@inline
export function copy(to: usize, from: usize, length: usize): usize {
  const end = to + length;
  while (to < end) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  return end;
}

/** Whether two runs of bytes are the same. Each must be followed by 16 readable bytes. */
// @ts-expect-error: decorator
@inline
export function isSame(a: usize, b: usize, length: usize): bool {
  let i: usize = 0;
  for (; i + 16 <= length; i += 16) if (v128.any_true(v128.xor(v128.load(a + i), v128.load(b + i)))) return false;
  const equal = <u32>i8x16.bitmask(i8x16.eq(v128.load(a + i), v128.load(b + i)));
  return (~equal & ((1 << <u32>(length - i)) - 1)) === 0;
}
