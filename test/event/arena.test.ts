import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arena, EventBatch } from "../../src/event/index.js";
import { ByteWriter, Field } from "../../src/plugin/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { FILE, ORIGIN } from "./support.js";

const MIB = 1024 ** 2;

/** Takes so many bytes, zeroed or not, or gives back one of those that were taken. */
type Step = { take: number; zeroed: boolean } | { give: number };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ take: fc.integer({ min: 1, max: 200_000 }), zeroed: fc.boolean() }),
  fc.record({ give: fc.nat() }),
);

describe("an arena", () => {
  it("lends no byte twice, zeroes what it should, and is one block again once everything is returned", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const arena = new Arena(MIB);
        const taken: Buffer[] = [];
        for (const step of steps) {
          if ("give" in step) {
            if (taken.length > 0) arena.give(taken.splice(step.give % taken.length, 1)[0]);
            continue;
          }
          const block = step.zeroed ? arena.takeZeroed(step.take) : arena.take(step.take);
          if (block === undefined) continue;
          expect(block.length).toBe(step.take);
          expect(block.byteOffset % 16).toBe(0);
          if (step.zeroed) expect(block.equals(Buffer.alloc(step.take))).toBe(true);
          taken.push(block);
          for (const [index, mine] of taken.entries()) mine.fill(index + 1);
          for (const [index, mine] of taken.entries()) expect(mine.every((byte) => byte === index + 1)).toBe(true);
        }
        for (const block of taken) arena.give(block);
        expect(arena.take(MIB)?.length).toBe(MIB);
        expect(arena.take(1)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});

describe("batches in an arena", () => {
  withWebAssembly();

  const line = (n: number) => `${JSON.stringify({ auditID: `a-${n}`, verb: "get", stage: "Panic" })}\n`;

  function fill(batch: EventBatch, text: string): EventBatch {
    batch.buffer.set(Buffer.from(text));
    batch.load({ bytes: batch.buffer, length: text.length, file: FILE, offset: 0 }, "apiserver");
    return batch;
  }

  const inArena = (arena: Arena) => new EventBatch({ capacity: 64 * 1024, documents: ORIGIN, arena });
  const idsOf = (batch: EventBatch) =>
    Array.from({ length: batch.count }, (_, row) => {
      const event = batch.at(row);
      return JSON.parse(batch.bytes.toString("utf8", event.start(Field.auditID), event.end(Field.auditID)));
    });

  it("touch neither each other nor other bytes of it; closing one makes room for a new one", () => {
    const arena = new Arena(2 * EventBatch.bytes(64 * 1024) + 64 * 1024);
    const body = arena.take(1024)!.fill(7);
    const [one, two] = [inArena(arena), inArena(arena)];
    expect(one.buffer.buffer).toBe(two.buffer.buffer);
    fill(one, line(1) + line(2));
    fill(two, line(3));
    expect([idsOf(one), idsOf(two)]).toEqual([["a-1", "a-2"], ["a-3"]]);
    one.close();
    const three = inArena(arena);
    expect(three.buffer.byteOffset).toBe(one.buffer.byteOffset);
    expect(three.table.every((word) => word === 0)).toBe(true);
    fill(three, line(4));
    expect([idsOf(three), idsOf(two)]).toEqual([["a-4"], ["a-3"]]);
    expect(body.every((byte) => byte === 7)).toBe(true);
  });

  it("get their own memory if it has no room", () => {
    const arena = new Arena(64 * 1024);
    const batch = fill(inArena(arena), line(1));
    expect(batch.buffer.buffer).not.toBe(arena.buffer);
    expect(idsOf(batch)).toEqual(["a-1"]);
    batch.close();
    expect(arena.take(64 * 1024)).toBeDefined();
  });

  it("write documents into a body in the same arena as into any other, up to its end", () => {
    const frame = { before: Buffer.from("<"), between: Buffer.from("|"), after: Buffer.from(">\n") };
    const full = { auditID: "a", verb: "get", stage: "Panic", stageTimestamp: "2024-05-01T02:03:04.5Z" };
    const text = Array.from({ length: 50 }, (_, n) => `${JSON.stringify({ ...full, auditID: `a-${n}` })}\n`).join("");
    const arena = new Arena(EventBatch.bytes(64 * 1024) + 64 * 1024);
    const batch = fill(inArena(arena), text);
    batch.latency.fill(1.5, 0, 50);
    const elsewhere = new ByteWriter();
    elsewhere.text("before");
    expect(batch.writeFramed(0, 50, frame, elsewhere).count).toBe(50);
    const here = new ByteWriter(0);
    const guard = arena.take(elsewhere.length + 16 + 400)!.fill(9);
    here.bytes = guard.subarray(0, elsewhere.length + 16);
    here.text("before");
    let count = 0;
    for (let more = -1; more !== 0; count += more) more = batch.writeFramed(count, 50, frame, here).count;
    // It keeps as much free as a document may need.
    expect(count).toBeGreaterThan(45);
    expect(here.bytes.buffer).toBe(arena.buffer);
    expect(here.view()).toEqual(elsewhere.view().subarray(0, here.length));
    expect(guard.subarray(elsewhere.length + 16).every((byte) => byte === 9)).toBe(true);
  });
});
