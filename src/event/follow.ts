/** Encodes what may follow a needle in the form that `assembly/follow.ts` reads. */
import type { Follow } from "../plugin/index.js";

const KINDS: readonly Follow["kind"][] = ["texts", "query", "members"];
const BUCKETS = 64;

export function encodeFollow(follow: Follow): Buffer {
  return Buffer.concat([word(KINDS.indexOf(follow.kind)), encoded(follow)]);
}

function encoded(follow: Follow): Buffer {
  switch (follow.kind) {
    case "texts": {
      const texts = follow.texts.map((text) => Buffer.from(text));
      const words = texts.flatMap((text) => [word(wordOf(text)), word(wordOf(text.map(() => 0xff)))]);
      return Buffer.concat([word(texts.length), ...words]);
    }
    case "query":
      return Buffer.concat([
        encodeNames(follow.names),
        word(follow.codes.length),
        ...follow.codes.map((code) => Buffer.from(code)),
      ]);
    case "members":
      return encodeNames(follow.names);
  }
}

/** Names in buckets by their length and first byte. */
function encodeNames(names: readonly string[]): Buffer {
  const buckets: Buffer[] = Array.from({ length: BUCKETS }, () => Buffer.alloc(0));
  for (const name of names.map((text) => Buffer.from(text))) {
    const bucket = (name[0] + name.length * 5) % BUCKETS;
    buckets[bucket] = Buffer.concat([buckets[bucket], Buffer.from([name.length]), name]);
  }
  const table = Buffer.alloc((BUCKETS + 1) * 2);
  let at = table.length;
  for (const [i, { length }] of buckets.entries()) {
    table.writeUInt16LE(at, 2 * i);
    at += length + 1;
  }
  table.writeUInt16LE(at, 2 * BUCKETS);
  return Buffer.concat([table, ...buckets.flatMap((bucket) => [bucket, Buffer.alloc(1)])]);
}

/** Up to four bytes as a number, the first byte lowest. */
export function wordOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte, i) => sum + byte * 256 ** i, 0);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
