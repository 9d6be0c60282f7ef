import { describe, expect, it } from "vitest";
import { EventBatch } from "../../src/event/index.js";
import { Counters, type Counting } from "../../src/pipeline/counters.js";
import type { Span } from "../../src/pipeline/seen.js";
import { Flag } from "../../src/plugin/index.js";
import { events } from "../../src/simulate/index.js";
import { auditLine, batchOf, testFile } from "../support/batches.js";
import { quietHost } from "../support/far-end.js";
import { withWebAssembly } from "../support/web-assembly.js";

/** Counts into a map under `metric label label`. */
function countingIn(counted: Map<string, number>): Counting {
  return {
    add: quietHost("", counted).meter.add,
    counter: (...name) => ({
      get value() {
        return counted.get(name.join(" ")) ?? 0;
      },
      set value(value) {
        counted.set(name.join(" "), value);
      },
    }),
  };
}

const count = (lines: string[], fresh?: Span[], counted = new Map<string, number>()) => {
  const counters = new Counters(countingIn(counted));
  const batch = batchOf(lines);
  counters.count(batch, fresh ?? [{ from: 0, to: batch.end.offset }]);
  return { counted, batch, counters };
};

describe("what is read", () => {
  it("is counted by stage and level, and as requests by what they are", () => {
    const forbidden = { objectRef: { resource: "pods", subresource: "exec" }, responseStatus: { code: 403 } };
    const { counted } = count([auditLine(1), auditLine(2), auditLine(3, forbidden), "no event"]);
    expect(Object.fromEntries(counted)).toMatchObject({
      "auditship_events_total test ResponseComplete Metadata": 3,
      "auditship_requests_total test list   Metadata ResponseComplete": 2,
      "auditship_requests_total test list pods/exec 4xx Metadata ResponseComplete": 1,
      "auditship_invalid_lines_total test syntax": 1,
    });
  });

  it("is counted once: what was read before is flagged and counted apart", () => {
    const lines = [auditLine(1), auditLine(2), auditLine(3)];
    const { counted, batch } = count(lines, [{ from: lines[0].length + 1, to: 3 * (lines[0].length + 1) }]);
    expect(counted.get("auditship_events_total test ResponseComplete Metadata")).toBe(2);
    expect(counted.get("auditship_events_again_total test")).toBe(1);
    expect(counted.get("auditship_bytes_total test")).toBe(lines[1].length + lines[2].length + 2);
    expect([0, 1, 2].map((row) => batch.flags(row) & Flag.again)).toEqual([Flag.again, 0, 0]);
  });

  it("is counted where it lies in a gap, and not around it", () => {
    const size = auditLine(0).length + 1;
    const { counted, batch } = count(
      [0, 1, 2, 3, 4, 5].map((number) => auditLine(number)),
      [
        { from: size, to: 2 * size },
        { from: 3 * size, to: 5 * size },
      ],
    );
    expect(counted.get("auditship_events_total test ResponseComplete Metadata")).toBe(3);
    expect(counted.get("auditship_events_again_total test")).toBe(3);
    expect(counted.get("auditship_bytes_total test")).toBe(3 * size);
    expect([0, 1, 2, 3, 4, 5].map((row) => (batch.flags(row) & Flag.again) === 0)).toEqual([
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  it("is counted as salvaged or truncated where it is, and with all the bytes of its line", () => {
    const whole = '{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"get"}';
    const { counted, counters } = count([`${whole.slice(0, 50)}${whole}`, auditLine(2)]);
    expect(counted.get("auditship_salvaged_lines_total test")).toBe(1);
    expect(counted.get("auditship_invalid_lines_total test torn")).toBe(1);
    expect(counted.get("auditship_bytes_total test")).toBe(50 + whole.length + auditLine(2).length + 2);

    const batch = batchOf([]);
    const bytes = Buffer.from(`${whole}\n`);
    const oversized = { skipped: 5001, length: 5000, sha256: "", dropped: [] };
    const before = counted.get("auditship_bytes_total test")!;
    const chunk = { bytes, length: bytes.length, file: testFile, offset: 70, oversized };
    batch.load(chunk, "test");
    counters.count(batch, [{ from: 70, to: batch.end.offset }]);
    expect(counted.get("auditship_truncated_lines_total test")).toBe(1);
    expect(counted.get("auditship_bytes_total test")! - before).toBe(5001);
    batch.load(chunk, "test");
    counters.count(batch, []);
    expect(counted.get("auditship_truncated_lines_total test")).toBe(1);
    expect(counted.get("auditship_events_again_total test")).toBe(1);
  });

  it("does not show what clients made up, and no more kinds than can be kept", () => {
    const lines = Array.from({ length: 3000 }, (_, i) => auditLine(i, { verb: `verb-${i}` }));
    const { counted } = count([auditLine(0, { verb: 'x{y="z"}' }), ...lines]);
    const requests = [...counted].filter(([name]) => name.startsWith("auditship_requests_total"));
    expect(requests.length).toBe(2001);
    expect(requests.reduce((sum, [, value]) => sum + value, 0)).toBe(3001);
    expect(counted.get("auditship_requests_total test other other other other other")).toBe(1001);
    expect(counted.get("auditship_requests_total test other   Metadata ResponseComplete")).toBe(1);
  });
});

describe("what is read, with WebAssembly", () => {
  withWebAssembly();

  it("is counted by the numbers of its values as it is by their bytes", () => {
    const lines: string[] = [];
    for (const line of events(3, { mix: "metadata" })) if (lines.push(line) === 1500) break;
    lines.push(auditLine(1, { verb: "v".repeat(600) }), auditLine(2, { verb: "v".repeat(600) }));
    const byBytes = count(lines);
    const counted = new Map<string, number>();
    const counters = new Counters(countingIn(counted));
    const batch = new EventBatch({ capacity: byBytes.batch.length, documents: { cluster: "", node: "", labels: {} } });
    // In its own memory values have numbers; it is of one source, and then of another.
    for (const source of ["test", "test", "else"]) {
      byBytes.batch.bytes.copy(batch.buffer);
      batch.load({ bytes: batch.buffer, length: batch.buffer.length, file: testFile, offset: 0 }, source);
      counters.count(batch, [{ from: 0, to: batch.length }]);
    }
    expect(batch.numbers.some((number) => number > 0)).toBe(true);
    for (const [name, value] of byBytes.counted) {
      expect([name, counted.get(name)]).toEqual([name, 2 * value]);
      expect(counted.get(name.replace(" test", " else"))).toBe(value);
    }
  });
});
