import type { Pairs } from "../alerts/text.js";

const OFFSET = 14695981039346656037n;
const PRIME = 1099511628211n;
/** Cannot stand in UTF-8. */
const SEPARATOR = Buffer.from([0xff]);

/**
 * The identity of a set of labels as Prometheus has it: FNV-1a, 64 bits, over names and values by name. Source:
 * `labelSetToFingerprint` of prometheus/common.
 */
export function fingerprint(labels: Pairs): string {
  const names = Object.keys(labels).sort();
  const parts = names.flatMap((name) => [Buffer.from(name), SEPARATOR, Buffer.from(labels[name]), SEPARATOR]);
  let sum = OFFSET;
  for (const byte of Buffer.concat(parts)) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * PRIME);
  return sum.toString(16).padStart(16, "0");
}
