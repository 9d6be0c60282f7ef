import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Seen } from "../../src/pipeline/seen.js";
import type { Batch, FileRef, Position, StoredPosition } from "../../src/plugin/index.js";

const file = (ordinal: number): FileRef => ({ fingerprint: `f${ordinal}`, id: `f${ordinal}`, ordinal, time: 0 });
const at = (offset: number, ordinal = 1): Position => ({ file: file(ordinal), offset });
const locate = ({ file: name, offset }: StoredPosition): Position => at(offset, Number(name.slice(1)));
const batch = (from: number, to: number, ordinal = 1) =>
  ({ file: file(ordinal), offset: from, end: at(to, ordinal) }) as Batch;

const fresh = (seen: Seen, what: Batch) => new Seen(seen.stored(), locate).claim(what);

describe("what was read of a source", () => {
  it("is all up to the furthest batch", () => {
    const seen = new Seen({}, locate);
    expect(fresh(seen, batch(0, 10))).toEqual([{ from: 0, to: 10 }]);
    seen.add(batch(0, 10));
    expect(fresh(seen, batch(5, 15))).toEqual([{ from: 10, to: 15 }]);
    expect(fresh(seen, batch(0, 10))).toEqual([]);
  });

  it("has a gap where a lane began ahead, until that is read", () => {
    const seen = new Seen({}, locate);
    seen.add(batch(0, 10));
    seen.jump(at(100, 2));
    seen.add(batch(100, 110, 2));
    expect(fresh(seen, batch(90, 120, 2))).toEqual([
      { from: 90, to: 100 },
      { from: 110, to: 120 },
    ]);
    seen.add(batch(10, 20));
    seen.add(batch(0, 100, 2));
    expect(fresh(seen, batch(0, 110, 2))).toEqual([]);
  });

  it("is the same after it was stored, and forgets gaps that nobody reads any more", () => {
    const seen = new Seen({}, locate);
    seen.add(batch(0, 10));
    seen.jump(at(100));
    const again = new Seen(JSON.parse(JSON.stringify(seen.stored())), locate);
    expect(again.stored()).toEqual(seen.stored());
    expect(fresh(again, batch(0, 120))).toEqual([
      { from: 10, to: 100 },
      { from: 100, to: 120 },
    ]);
    again.forget(at(100));
    expect(fresh(again, batch(0, 120))).toEqual([{ from: 100, to: 120 }]);
  });

  it("is claimed by the lane that has it in hand, and by no other", () => {
    const seen = new Seen({}, locate);
    seen.jump(at(100));
    const [one, two] = [batch(0, 30), batch(20, 50)];
    expect(seen.claim(one)).toEqual([{ from: 0, to: 30 }]);
    expect(seen.claim(two)).toEqual([{ from: 30, to: 50 }]);
    seen.add(two);
    seen.add(one);
    expect(fresh(seen, batch(0, 60))).toEqual([{ from: 50, to: 60 }]);
  });

  it("is a set of bytes, whatever was read and wherever lanes began", () => {
    const step = fc.record({
      jump: fc.boolean(),
      ordinal: fc.integer({ min: 1, max: 3 }),
      from: fc.nat(60),
      size: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const key = (ordinal: number, offset: number) => ordinal * 1000 + offset;
        let seen = new Seen({}, locate);
        let mark = Number.NEGATIVE_INFINITY;
        const unread = new Set<number>();
        const cover = (to: number) => {
          for (let k = Math.max(mark, key(1, 0)); k < to; k++) if (k % 1000 < 100) unread.delete(k);
          mark = Math.max(mark, to);
        };
        for (const { jump, ordinal, from, size } of steps) {
          if (jump) {
            const to = key(ordinal, from);
            if (to > mark) for (let k = Math.max(mark, key(1, 0)); k < to; k++) if (k % 1000 < 100) unread.add(k);
            mark = Math.max(mark, to);
            seen.jump(at(from, ordinal));
          } else {
            const spans = fresh(seen, batch(from, from + size, ordinal));
            const bytes = spans.flatMap((span) => Array.from({ length: span.to - span.from }, (_, i) => span.from + i));
            const expected = Array.from({ length: size }, (_, i) => from + i).filter(
              (offset) => key(ordinal, offset) >= mark || unread.has(key(ordinal, offset)),
            );
            expect(bytes).toEqual(expected);
            seen.add(batch(from, from + size, ordinal));
            for (let i = 0; i < size; i++) unread.delete(key(ordinal, from + i));
            cover(key(ordinal, from + size));
          }
          seen = new Seen(JSON.parse(JSON.stringify(seen.stored())), locate);
        }
      }),
    );
  });
});
