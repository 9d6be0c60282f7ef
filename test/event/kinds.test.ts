import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventBatch } from "../../src/event/index.js";
import { FIELD_COUNT, Field as Fields, Likeness, MAX_LATENCIES, NUMBERED } from "../../src/plugin/index.js";
import { events } from "../../src/simulate/index.js";
import { withWebAssembly } from "../support/web-assembly.js";
import { eventText, mutated } from "./oracle.js";
import { FILE, load, loadOwn } from "./support.js";

const simulated = (count: number): string[] => {
  const lines: string[] = [];
  for (const line of events(7, { mix: "mixed" })) if (lines.push(line) === count) break;
  return lines;
};

function reload(batch: EventBatch, text: string): void {
  const length = batch.buffer.write(text);
  batch.load({ bytes: batch.buffer, length, file: FILE, offset: 0 }, "apiserver");
}

/** What makes a row alike to others. */
function likenessOf(batch: EventBatch, row: number, { fields, latencies }: Likeness): string {
  const event = batch.at(row);
  const parts = fields.map((field) => {
    const [start, end] = [event.start(field), event.end(field)];
    if (start === 0) return "absent";
    if (NUMBERED.includes(field)) return batch.bytes.toString("latin1", start, end);
    return String.fromCharCode(batch.bytes[start]).replace(/[-0-9tf]/, "1");
  });
  const order = latencies.map((latency) => [-1, 0, 1].indexOf(Math.sign(batch.latency[row] - latency)));
  return JSON.stringify([parts, order]);
}

withWebAssembly();

describe("the kinds of a batch's rows", () => {
  it("are the same for rows that are alike, in later batches too, and for no others", () => {
    const usual = simulated(60).filter(({ length }) => length < 8000);
    const lines = fc.array(
      fc.oneof(fc.constantFrom(...usual), eventText, mutated(fc.constantFrom(...usual)).map(String)),
      { minLength: 1, maxLength: 12, size: "max" },
    );
    const fields = fc.uniqueArray(fc.nat({ max: FIELD_COUNT - 1 }), { maxLength: FIELD_COUNT, size: "max" });
    let known = 0;
    const latency = fc.constantFrom(Number.NaN, -1, 0, 0.001, 5000, 1e9, Number.POSITIVE_INFINITY);
    const bounds = fc.array(fc.constantFrom(0, 0.001, 5000, -1e9, 1e9), { maxLength: MAX_LATENCIES });
    const taken = fc.array(latency, { minLength: 1, size: "max", maxLength: 16 });
    fc.assert(
      fc.property(fields, bounds, taken, fc.array(lines, { minLength: 1, maxLength: 3 }), (alike, ...rest) => {
        const [latencies, took, batches] = rest;
        const likeness = new Likeness(alike, latencies);
        const batch = loadOwn("x".repeat(1 << 18), { maxRows: 16 });
        const seen = new Map<string, number>();
        let numbering: object | undefined;
        for (const texts of batches) {
          reload(batch, texts.map((text) => `${text}\n`).join(""));
          for (let row = 0; row < batch.count; row++) batch.latency[row] = took[row % took.length];
          const kinds = batch.kinds(likeness);
          expect(kinds.numbering).toBe(numbering ?? kinds.numbering);
          numbering = kinds.numbering;
          for (let row = 0; row < batch.count; row++) {
            const kind = kinds.numbers[row];
            if (kind === 0) continue;
            known++;
            const key = likenessOf(batch, row, likeness);
            expect(seen.get(key) ?? kind).toBe(kind);
            seen.set(key, kind);
          }
          expect(new Set(seen.values()).size).toBe(seen.size);
        }
      }),
      { numRuns: 200 },
    );
    expect(known).toBeGreaterThan(1000);
  });

  it("are known of all usual lines", () => {
    const batch = loadOwn(`${simulated(100).join("\n")}\n`);
    const { numbers } = batch.kinds(new Likeness(Array.from({ length: FIELD_COUNT }, (_, field) => field)));
    expect([...numbers.subarray(0, batch.count)]).not.toContain(0);
  });

  it("are unknown if a value has no number", () => {
    const batch = loadOwn(`{"verb":"${"x".repeat(600)}"}\n{"verb":"get"}\n{}\n`);
    const { numbers } = batch.kinds(new Likeness([Fields.verb]));
    expect([...numbers.subarray(0, 3)]).toEqual([0, 1, 2]);
  });

  it("are unknown if WebAssembly has not scanned", () => {
    const batch = load('{"verb":"get"}\n{"verb":"list"}\n');
    expect([...batch.kinds(new Likeness([Fields.verb])).numbers]).toEqual([0, 0]);
  });

  it("start over for another likeness, and when there is no room for more", () => {
    const batch = loadOwn("x".repeat(1 << 18));
    const text = Array.from({ length: 12_000 }, (_, i) => `{"verb":"${i % 100}","stage":"${i - (i % 100)}"}\n`);
    const likeness = new Likeness([Fields.verb, Fields.stage]);
    reload(batch, text.slice(0, 4000).join(""));
    const before = batch.kinds(likeness).numbering;
    reload(batch, text.slice(4000, 8000).join(""));
    expect(batch.kinds(likeness).numbering).toBe(before);
    reload(batch, text.slice(8000).join(""));
    expect(batch.kinds(likeness).numbers[batch.count - 1]).toBe(0);
    const after = batch.kinds(likeness);
    expect(after.numbering).not.toBe(before);
    expect(after.numbers[batch.count - 1]).toBeGreaterThan(0);
    const other = batch.kinds(new Likeness([Fields.stage]));
    expect(other.numbering).not.toBe(after.numbering);
    expect(other.numbers[0]).toBe(other.numbers[1]);
  });
});
