import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ledger, mergeRanges } from "../../src/delivery/ledger.js";
import type { FileRef, Position } from "../../src/plugin/index.js";

const file = (ordinal: number): FileRef => ({ fingerprint: `f${ordinal}`, id: `f${ordinal}`, ordinal, time: 0 });
const at = (offset: number, ordinal = 1): Position => ({ file: file(ordinal), offset });

/** A batch [from, to) with so many runs outstanding, sealed. */
function offered(ledger: Ledger, from: number, to: number, runs: number) {
  const entry = ledger.open(at(from), at(to));
  entry.outstanding = runs;
  ledger.seal(entry);
  return entry;
}

describe("the cursor of a sink", () => {
  it("is the end of the last batch before which nothing is outstanding", () => {
    const ledger = new Ledger();
    const first = offered(ledger, 0, 100, 1);
    const second = offered(ledger, 100, 200, 1);
    ledger.acknowledge(second, 100, 200);
    expect(ledger.cursor).toEqual(at(0));
    ledger.acknowledge(first, 0, 100);
    expect(ledger.cursor).toEqual(at(200));
  });

  it("moves over a batch of which nothing was selected", () => {
    const ledger = new Ledger();
    offered(ledger, 0, 100, 0);
    expect(ledger.cursor).toEqual(at(100));
  });

  it("does not move over a batch that is not wholly offered yet", () => {
    const ledger = new Ledger();
    const entry = ledger.open(at(0), at(100));
    entry.outstanding = 1;
    ledger.acknowledge(entry, 0, 50);
    expect(ledger.cursor).toEqual(at(0));
    ledger.seal(entry);
    expect(ledger.cursor).toEqual(at(100));
  });

  it("is stored with the ranges beyond it that are done", () => {
    const ledger = new Ledger();
    offered(ledger, 0, 100, 1);
    const second = offered(ledger, 100, 200, 1);
    ledger.acknowledge(second, 100, 200);
    expect(ledger.stored()).toEqual({ file: "f1", offset: 0, ranges: [{ file: "f1", from: 100, to: 200 }] });
  });

  it("is stored with what is done of a batch of which something is outstanding", () => {
    const ledger = new Ledger();
    const entry = offered(ledger, 0, 100, 2);
    ledger.acknowledge(entry, 0, 50);
    expect(ledger.stored()).toEqual({ file: "f1", offset: 0, ranges: [{ file: "f1", from: 0, to: 50 }] });
  });

  it("ends before the line that was not taken any more, and goes on there", () => {
    const ledger = new Ledger();
    const entry = ledger.open(at(0), at(100));
    ledger.cut(entry, 40);
    expect([ledger.cursor, ledger.end]).toEqual([at(40), at(40)]);
    const next = ledger.open(at(40), at(100));
    next.outstanding = 1;
    ledger.seal(next);
    expect([ledger.cursor, ledger.end]).toEqual([at(40), at(100)]);
  });

  it("and the ranges are those of what is done, in whatever order that is acknowledged", () => {
    const orders = fc.integer({ min: 1, max: 12 }).chain((count) => fc.shuffledSubarray([...Array(count).keys()]));
    fc.assert(
      fc.property(orders, fc.integer({ min: 0, max: 12 }), (order, perFile) => {
        const ledger = new Ledger();
        // So many batches are of the first file.
        const place = (n: number) => (n < perFile ? at(10 * n) : at(10 * (n - perFile), 2));
        const batches = Array.from({ length: 12 }, (_, n) => {
          const start = place(n);
          return { start, end: at(start.offset + 10, start.file.ordinal) };
        });
        const entries = batches.map(({ start, end }) => {
          const entry = ledger.open(start, end);
          entry.outstanding = 1;
          ledger.seal(entry);
          return entry;
        });
        const done = new Set<number>();
        for (const n of order) {
          ledger.acknowledge(entries[n], batches[n].start.offset, batches[n].end.offset);
          done.add(n);
          const first = [...batches.keys(), batches.length].find((index) => !done.has(index))!;
          expect(ledger.cursor).toEqual(first === 0 ? batches[0].start : batches[first - 1].end);
          const beyond = batches.filter((_, index) => done.has(index) && index > first);
          const ranges = beyond.map(({ start, end }) => ({
            file: start.file.fingerprint,
            from: start.offset,
            to: end.offset,
          }));
          expect(ledger.ranges()).toEqual(mergeRanges(ranges));
        }
      }),
    );
  });

  it("costs no memory for what is done beyond it, however much that is while one batch is not", async () => {
    const ledger = new Ledger();
    const stuck = offered(ledger, 0, 100, 1);
    const batch = (n: number) => {
      const entry = offered(ledger, 100 * n, 100 * n + 100, 1);
      ledger.acknowledge(entry, 100 * n, 100 * n + 100);
      return new WeakRef(entry);
    };
    const batches = Array.from({ length: 1000 }, (_, n) => batch(n + 1));
    // What a WeakRef is made of stays until the next turn.
    await setImmediate();
    setFlagsFromString("--expose-gc");
    runInNewContext("gc")();
    expect(batches.filter((entry) => entry.deref()).length).toBeLessThan(10);
    expect(ledger.stored()?.ranges).toEqual([{ file: "f1", from: 100, to: 100_100 }]);
    ledger.acknowledge(stuck, 0, 100);
    expect(ledger.cursor).toEqual(at(100_100));
  });

  it("tells of each advance once", () => {
    const ledger = new Ledger();
    let advances = 0;
    ledger.onAdvance = () => advances++;
    const entry = offered(ledger, 0, 100, 2);
    ledger.acknowledge(entry, 0, 50);
    expect(advances).toBe(0);
    ledger.acknowledge(entry, 50, 100);
    expect(advances).toBe(1);
  });
});

describe("a sink that parks", () => {
  it("starts again at its cursor and skips what it has beyond", () => {
    const ledger = new Ledger();
    const first = offered(ledger, 0, 100, 2);
    const second = offered(ledger, 100, 200, 1);
    ledger.acknowledge(first, 40, 60);
    ledger.acknowledge(second, 100, 200);
    ledger.drop();
    expect(ledger.cursor).toEqual(at(0));
    expect(ledger.busy).toBe(false);
    const has = [0, 40, 59, 60, 100, 199, 200].map((offset) => ledger.has(file(1), offset));
    expect(has).toEqual([false, true, true, false, true, true, false]);
    expect(ledger.has(file(2), 50)).toBe(false);
  });

  it("tells that there is more to write down: what it has beyond its cursor", () => {
    const ledger = new Ledger();
    const entry = offered(ledger, 0, 100, 2);
    ledger.acknowledge(entry, 0, 50);
    let told = 0;
    ledger.onAdvance = () => told++;
    ledger.drop();
    expect(told).toBe(1);
  });

  it("forgets the ranges that its cursor has passed", () => {
    const ledger = new Ledger(at(0), [
      { file: "f1", from: 40, to: 60 },
      { file: "f1", from: 150, to: 160 },
    ]);
    offered(ledger, 0, 100, 0);
    expect(ledger.stored()).toEqual({ file: "f1", offset: 100, ranges: [{ file: "f1", from: 150, to: 160 }] });
  });

  it("joins neighbouring ranges", () => {
    const ledger = new Ledger(at(0), [{ file: "f1", from: 10, to: 20 }]);
    const entry = ledger.open(at(0), at(100));
    entry.outstanding = 2;
    ledger.acknowledge(entry, 20, 30);
    ledger.drop();
    expect(ledger.stored()?.ranges).toEqual([{ file: "f1", from: 10, to: 30 }]);
  });
});

describe("what may have been sent before", () => {
  const isUnsure = (ledger: Ledger, offset: number, ordinal = 1) =>
    ledger.open(at(offset, ordinal), at(offset + 10, ordinal)).unsure;

  it("is nothing of a ledger that begins anew", () => {
    expect(isUnsure(new Ledger(), 0)).toBe(false);
  });

  it("is every batch that begins before the place up to which it may have been, in this file or one before", () => {
    const ledger = new Ledger(at(0));
    ledger.mayBeSent(at(100, 2));
    expect([isUnsure(ledger, 5000, 1), isUnsure(ledger, 99, 2)]).toEqual([true, true]);
    expect([isUnsure(ledger, 100, 2), isUnsure(ledger, 0, 3)]).toEqual([false, false]);
  });

  it("does not shrink when an earlier place is told", () => {
    const ledger = new Ledger(at(0));
    ledger.mayBeSent(at(100));
    ledger.mayBeSent(at(50));
    ledger.mayBeSent(undefined);
    expect(isUnsure(ledger, 60)).toBe(true);
  });

  it("is what was outstanding when the sink parked, and nothing after it", () => {
    const ledger = new Ledger();
    offered(ledger, 0, 100, 1);
    offered(ledger, 100, 200, 1);
    ledger.drop();
    expect([isUnsure(ledger, 0), isUnsure(ledger, 190), isUnsure(ledger, 200)]).toEqual([true, true, false]);
  });
});

describe("a section ahead of the cursor", () => {
  it("keeps what it passes as ranges, one a file, until all before it is done", () => {
    const ledger = Ledger.ahead(at(100));
    offered(ledger, 100, 200, 0);
    offered(ledger, 200, 300, 0);
    ledger.seal(ledger.open(at(0, 2), at(50, 2)));
    expect(ledger.cursor).toEqual(at(50, 2));
    expect(ledger.ranges()).toEqual([
      { file: "f1", from: 100, to: 300 },
      { file: "f2", from: 0, to: 50 },
    ]);
    ledger.join();
    expect(ledger.ranges()).toEqual([]);
    expect(ledger.stored()).toEqual({ file: "f2", offset: 50 });
  });

  it("keeps what was done when the sink parks, and not what was outstanding", () => {
    const ledger = Ledger.ahead(at(100));
    offered(ledger, 100, 200, 0);
    offered(ledger, 200, 300, 1);
    offered(ledger, 300, 400, 0);
    ledger.drop();
    expect(ledger.ranges()).toEqual([
      { file: "f1", from: 100, to: 200 },
      { file: "f1", from: 300, to: 400 },
    ]);
  });
});
