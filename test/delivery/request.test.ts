import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ledger } from "../../src/delivery/ledger.js";
import { type PendingRequest, RequestBuilder } from "../../src/delivery/request.js";
import type { ByteWriter, EventView } from "../../src/plugin/index.js";
import { auditLine, batchOf, testFile } from "./../support/batches.js";

/** Frames a document with bytes of its own before and behind it, as sinks do; writes something else for every third event. */
const sink = {
  encode(event: EventView, out: ByteWriter) {
    out.text("<");
    if (event.row % 3 === 2) event.writeId(out);
    else event.writeDocument(out);
    out.text(">\n");
  },
};

/** What each event is to be in a request, by its number. */
interface Expected {
  id: string;
  document: string;
}

/** A request of batches of so many events each, from one ledger. */
function requestOf(sizes: readonly number[]): { request: PendingRequest; events: Expected[]; ledger: Ledger } {
  const builder = new RequestBuilder(64);
  const ledger = new Ledger();
  const events: Expected[] = [];
  let offset = 0;
  for (const size of sizes) {
    const lines = Array.from({ length: size }, (_, n) => auditLine(events.length + n, { pad: "x".repeat(n % 50) }));
    const batch = batchOf(lines, offset);
    const entry = ledger.open({ file: testFile, offset }, batch.end);
    for (let row = 0; row < batch.count; row++) {
      builder.add(sink, batch.at(row), ledger, entry);
      events.push({ id: batch.at(row).id(), document: lines[row] });
    }
    ledger.seal(entry);
    offset = batch.end.offset;
  }
  return { request: builder.take(), events, ledger };
}

function expectItems(request: PendingRequest, expected: readonly Expected[]): void {
  expect(request.count).toBe(expected.length);
  const plain = Buffer.from(request.plain());
  expect(plain.toString()).toBe(expected.map((_, index) => Buffer.from(request.item(index)).toString()).join(""));
  for (const [index, { id, document }] of expected.entries()) {
    expect(request.id(index)).toBe(id);
    const { line, members } = request.document(index, plain);
    expect(line).toBe(document);
    expect(members).toMatch(/^{"@timestamp":.*}$/);
  }
}

const all = (request: PendingRequest) => Array.from({ length: request.count }, (_, index) => index);

describe("a request", () => {
  it("knows each event's id, bytes and document, and so do requests of some of it, whatever was picked", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.boolean()), (batches, coins) => {
        let { request, events } = requestOf(batches);
        for (let round = 0; round < 3 && request.count > 0; round++) {
          expectItems(request, events);
          expect([request.firstId, request.lastId]).toEqual([events[0].id, events[events.length - 1].id]);
          const picked = all(request).filter(() => coins.next().value);
          request = request.pick(picked);
          events = picked.map((index) => events[index]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("knows ids of any length, which are those of one file", () => {
    const ledger = new Ledger();
    const builder = new RequestBuilder(64);
    const ids = [testFile, { ...testFile, fingerprint: "cd".repeat(32), id: "longer-than-the-other" }].flatMap(
      (file) => {
        const batch = batchOf([auditLine(0), auditLine(1), auditLine(2)], 0, file);
        const entry = ledger.open({ file, offset: 0 }, batch.end);
        return Array.from({ length: batch.count }, (_, row) => {
          builder.add(sink, batch.at(row), ledger, entry);
          return batch.at(row).id();
        });
      },
    );
    expect(new Set(ids.map((id) => id.length)).size).toBe(2);
    const request = builder.take();
    expect(all(request).map((index) => request.id(index))).toEqual(ids);
    const picked = request.pick([0, 2, 4]);
    expect(all(picked).map((index) => picked.id(index))).toEqual([ids[0], ids[2], ids[4]]);
  });

  it("moves the cursor when each of its events is acknowledged, by whichever request it went with", () => {
    const { request, ledger } = requestOf([3, 2]);
    const [first, second] = [request.pick([0, 3]), request.pick([1, 2, 4])];
    first.acknowledge([1, 0]);
    expect(ledger.cursor?.offset).toBe(0);
    second.acknowledge([0, 1]);
    expect(ledger.cursor?.offset).toBe(batchOf([0, 1, 2].map((n) => auditLine(n, { pad: "x".repeat(n) }))).end.offset);
    expect(ledger.busy).toBe(true);
    second.acknowledge([2]);
    expect(ledger.busy).toBe(false);
  });

  it("counts what it keeps beside its body as its own", () => {
    const builder = new RequestBuilder(64);
    const ledger = new Ledger();
    const batch = batchOf([auditLine(1)]);
    const entry = ledger.open({ file: testFile, offset: 0 }, batch.end);
    builder.add({ encode: (_, out) => out.text("other\n") }, batch.at(0), ledger, entry);
    expect(builder.bytes).toBeGreaterThan(auditLine(1).length + 6);
    const request = builder.take();
    expect(Buffer.from(request.body).toString()).toBe("other\n");
    expect(builder.bytes).toBe(0);
  });

  it("is as it was before an event that cannot be encoded", () => {
    const builder = new RequestBuilder(64);
    const ledger = new Ledger();
    const batch = batchOf([auditLine(1), auditLine(2), auditLine(3)]);
    const entry = ledger.open({ file: testFile, offset: 0 }, batch.end);
    const failing = {
      encode(event: EventView, out: ByteWriter) {
        sink.encode(event, out);
        if (event.row === 1) throw new Error("no");
      },
    };
    for (let row = 0; row < 3; row++) {
      const add = () => builder.add(failing, batch.at(row), ledger, entry);
      if (row === 1) expect(add).toThrow("no");
      else add();
    }
    const events = [1, 3].map((n, index) => ({ id: batch.at(2 * index).id(), document: auditLine(n) }));
    expectItems(builder.take(), events);
  });

  it("is the same after it was compressed", async () => {
    const { request, events } = requestOf([300]);
    await request.compress();
    expect(request.encoding).toBe("gzip");
    expectItems(request, events);
    expectItems(request.pick([7, 299]), [events[7], events[299]]);
  });
});
