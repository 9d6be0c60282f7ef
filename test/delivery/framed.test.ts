import { describe, expect, it } from "vitest";
import type { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { Arena, EventBatch } from "../../src/event/index.js";
import { type Batch, type ByteWriter, type EventView, Flag, type Frame, type Request } from "../../src/plugin/index.js";
import { auditLine, testFile } from "../support/batches.js";
import { FarEnd, quietHost } from "../support/far-end.js";
import { withWebAssembly } from "../support/web-assembly.js";

/** Events of two days, in turns of seven; every eleventh is no JSON, every fifth a long one. */
const line = (n: number) => {
  const day = Math.floor(n / 7) % 2 === 0 ? "21" : "22";
  if (n % 11 === 10) return `no JSON ${n}`;
  return auditLine(n, {
    stageTimestamp: `2026-11-${day}T00:00:00.000000Z`,
    requestObject: { data: "x".repeat(n % 5 === 4 ? 40_000 : n % 50) },
  });
};

/** Every third line is a list of 40 or 100 events. */
const lineOrList = (n: number) => {
  if (n % 3 !== 2) return line(n);
  const items = Array.from({ length: n % 2 === 0 ? 40 : 100 }, (_, item) => auditLine(1000 * n + item));
  return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${items.join()}]}`;
};

/** A batch in memory of its own, with times as `parse` fills them. */
function batchOf(lines: string[], offset: number, arena?: Arena): EventBatch {
  const text = Buffer.from(lines.map((each) => `${each}\n`).join(""));
  const batch = new EventBatch({
    capacity: text.length + 1,
    documents: { cluster: "c", node: "n", labels: {} },
    arena,
  });
  batch.buffer.set(text);
  batch.load({ bytes: batch.buffer, length: text.length, file: testFile, offset }, "test");
  for (let row = 0; row < batch.count; row++) {
    if ((batch.flags(row) & Flag.invalid) !== 0) continue;
    batch.time[row] = batch.at(row).timeMs();
    batch.latency[row] = row / 8;
    // Left out by the source's `drop:`.
    if (row % 13 === 12) batch.setFlags(row, batch.flags(row) | Flag.dropped);
  }
  return batch;
}

/** Writes what Elasticsearch's sink does: one line with day and id, one with the document. */
class Archive extends FarEnd {
  readonly ids: string[] = [];
  readonly items: string[] = [];
  readonly letters: string[] = [];
  readonly counts: number[] = [];
  framed = 0;

  override encode(event: EventView, out: ByteWriter): void {
    out.text(`${event.day()} `);
    event.writeId(out);
    out.text("\n");
    event.writeDocument(out);
    out.text("\n");
  }

  override async send(request: Request) {
    this.counts.push(request.count);
    for (let index = 0; index < request.count; index++) {
      this.ids.push(request.id(index));
      this.items.push(Buffer.from(request.item(index)).toString());
      const { document } = request as unknown as { document(index: number, plain: Uint8Array): object };
      this.letters.push(JSON.stringify(document.call(request, index, request.body)));
    }
    return { kind: "done" } as const;
  }
}

/** The same, with its frame told. */
class FramedArchive extends Archive {
  frame(day: string): Frame {
    return { before: Buffer.from(`${day} `), between: Buffer.from("\n"), after: Buffer.from("\n") };
  }
}

/** Sends everything; what a `select` leaves out, too, has to be acknowledged. */
async function ship(
  sink: Archive,
  select: (batch: Batch, row: number) => boolean,
  arena?: Arena,
  lineOf = line,
): Promise<Archive> {
  const host = quietHost("archive");
  const runner = new SendingRunner(
    sink,
    host,
    {
      request: { maxBytes: 2_000_000, maxEvents: 90, maxWait: 1 },
      retry: { initial: 1, max: 2, slow: 2 },
      concurrency: 1,
      memory: 32 << 20,
      compression: "none",
      stallAfter: 60_000,
      select,
    },
    { deadLetters: undefined as unknown as DeadLetters, viewLetter: () => undefined, bodies: arena },
  );
  const ledger = new Ledger();
  runner.addLedger(ledger);
  let offset = 0;
  for (const count of [1, 250, 3, 400]) {
    const lines = Array.from({ length: count }, (_, n) => lineOf(offset + n));
    const batch = batchOf(lines, offset, arena);
    expect(await runner.offer(batch, ledger, true)).toBe(true);
    offset = batch.end.offset;
    batch.close();
  }
  await runner.drain();
  expect(ledger.busy).toBe(false);
  expect(ledger.cursor?.offset).toBe(offset);
  return sink;
}

withWebAssembly();

describe("a sink that tells its frame", () => {
  const ROOM = 64 << 20;
  const all = createSelect("all", () => () => true);
  const some = (batch: Batch, row: number) => row % 4 !== 1 && all(batch, row);
  it.each([
    ["everything", all, undefined],
    ["some of it", some, undefined],
    ["everything, in one memory,", all, new Arena(ROOM)],
    ["some of it, in one memory,", some, new Arena(ROOM)],
    ["everything, in a memory without room for requests,", all, new Arena(ROOM / 16)],
  ])(
    "gets %s as one that encodes each event: the same items, ids and dead letters, in requests of no other size",
    async (_, select, arena) => {
      const alone = await ship(new Archive(), select);
      const framed = await ship(new FramedArchive(), select, arena);
      expect(alone.items.length).toBeGreaterThan(300);
      expect(framed.items).toEqual(alone.items);
      expect(framed.ids).toEqual(alone.ids);
      expect(framed.letters).toEqual(alone.letters);
      expect(Math.max(...framed.counts)).toBe(90);
      for (const count of framed.counts) expect(count).toBeLessThanOrEqual(90);
    },
  );

  it("gets the events of a line in one request, each once, however many they are", async () => {
    const alone = await ship(new Archive(), all, undefined, lineOrList);
    const framed = await ship(new FramedArchive(), all, undefined, lineOrList);
    expect(Math.max(...alone.counts)).toBeGreaterThan(100);
    expect(framed.counts).toEqual(alone.counts);
    expect(framed.items).toEqual(alone.items);
    expect(framed.ids).toEqual(alone.ids);
  });

  it("is asked for it once a day, not to encode each event", async () => {
    let encoded = 0;
    const sink = new (class extends FramedArchive {
      override encode(event: EventView, out: ByteWriter): void {
        encoded++;
        super.encode(event, out);
      }
    })();
    await ship(sink, all);
    // Long lines, lines that are none, and where a request is full.
    expect(encoded).toBeLessThan(sink.items.length / 2);
  });
});
