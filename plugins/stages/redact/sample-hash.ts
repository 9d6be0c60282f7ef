/** Number of bytes that go into a hash. */
const SAMPLES = 32;

/** A hash of a value's length and some of its bytes. Values with equal hashes must be told apart by their bytes. */
export function sampleHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  const step = Math.max(1, Math.floor(hash / SAMPLES));
  for (let i = start; i < end; i += step) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash ^ (hash >>> 15);
}
