import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readDeadLetters, removeDeadLetters } from "../../src/delivery/dead-letter-file.js";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import {
  DONE,
  DUPLICATE,
  reject,
  retry,
  retrySlowly,
  type SendingSink,
  split,
  stop,
  unsure,
} from "../../src/plugin/index.js";
import { auditLine, batchOf, testFile } from "../support/batches.js";
import { FarEnd, numberOf, quietHost } from "../support/far-end.js";
import { LentMemory } from "../support/lent-memory.js";

let state: string;
let letters: DeadLetters;
const counted = new Map<string, number>();
const host = quietHost("archive", counted);
const bodies = new LentMemory();
const runners: SendingRunner[] = [];

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "auditship-sending-"));
  counted.clear();
  letters = new DeadLetters(state, "archive", { maxSize: 1 << 20, whenFull: "park" }, host.meter);
  await letters.ready();
});
afterEach(async () => {
  for (const runner of runners.splice(0)) runner.close();
  await expect.poll(() => bodies.out.size, { interval: 1 }).toBe(0);
  await letters.close();
  await rm(state, { recursive: true, force: true });
});

function run(
  sink: SendingSink,
  options: {
    maxEvents?: number;
    stallAfter?: number;
    compression?: "gzip" | "none";
    retry?: number;
    concurrency?: number;
    memory?: number;
    retryMax?: number;
    slow?: number;
    random?: () => number;
    warnings?: object[];
    gauges?: Map<string, number>;
  } = {},
) {
  const { maxEvents = 100, stallAfter = 2000, compression = "none", retry: initial = 1, concurrency = 1 } = options;
  const { memory = 32 << 20 } = options;
  const warn = (fields: object) => void options.warnings?.push(fields);
  const set = (name: string, value: number) => void options.gauges?.set(name, value);
  const runner = new SendingRunner(
    sink,
    { ...host, log: { ...host.log, warn }, meter: { ...host.meter, set } },
    {
      request: { maxBytes: 1 << 20, maxEvents, maxWait: 20 },
      retry: { initial, max: options.retryMax ?? Math.max(2, initial), slow: options.slow ?? 2 },
      concurrency,
      memory,
      compression,
      stallAfter,
      select: createSelect("all", () => () => true),
    },
    { deadLetters: letters, viewLetter: StoredEvent.of, bodies },
    options.random,
  );
  runners.push(runner);
  const ledger = new Ledger();
  runner.addLedger(ledger);
  return { runner, ledger };
}

/** Resolves when the runner tells of it the next time. */
const next = (runner: SendingRunner, event: "onParked" | "onReady") =>
  new Promise<void>((resolve) => {
    runner[event] = () => resolve();
  });

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => auditLine(from + i));
const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("a sink that sends", () => {
  it("acknowledges what the far end took", async () => {
    const sink = new FarEnd();
    const { runner, ledger } = run(sink, { maxEvents: 3 });
    const batch = batchOf(lines(0, 10));
    expect(await runner.offer(batch, ledger, true)).toBe(true);
    await runner.drain();
    expect(sink.received).toEqual(range(0, 10));
    expect(ledger.cursor).toEqual(batch.end);
    expect(counted.get("auditship_sink_events_total archive created")).toBe(10);
  });

  it("goes on with other events while some wait for an operator, and says so as long as they do", async () => {
    const sink = Object.assign(new FarEnd(), { ordered: false });
    const taken: number[] = [];
    let isOpen = false;
    sink.answer = (_, numbers) =>
      numbers.map((number) => {
        if (number % 4 === 0 && !isOpen) return retrySlowly("index closed");
        taken.push(number);
        return DONE;
      });
    const { runner, ledger } = run(sink, { concurrency: 16, stallAfter: 50, slow: 3 });
    let offset = 0;
    for (let n = 0; n < 40; n++) {
      const batch = batchOf(lines(n, n + 1), offset);
      expect(await runner.offer(batch, ledger, true)).toBe(true);
      offset = batch.end.offset;
      if (n % 4 !== 0) await expect.poll(() => taken.includes(n), { interval: 1 }).toBe(true);
    }
    expect(runner.state).toBe("live");
    expect(runner.stuck).toBe("index closed");
    isOpen = true;
    await runner.drain();
    expect(sorted(taken)).toEqual(range(0, 40));
    expect(runner.stuck).toBeUndefined();
  });

  it("sends again only what was not taken", async () => {
    const sink = new FarEnd();
    sink.answer = (request, numbers) =>
      numbers.map((number) => (number % 2 && request.attempt === 0 ? retry("busy") : number === 4 ? DUPLICATE : DONE));
    const { runner, ledger } = run(sink);
    const batch = batchOf(lines(0, 6));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(sink.requests).toEqual([
      [0, 1, 2, 3, 4, 5],
      [1, 3, 5],
    ]);
    expect(ledger.cursor).toEqual(batch.end);
  });

  it("takes items out of a gzipped request", async () => {
    const sink = new FarEnd();
    const encodings: string[] = [];
    sink.answer = (request, numbers) => {
      encodings.push(request.encoding);
      return numbers.map((number) => (number === 1 && request.attempt === 0 ? retry("busy") : DONE));
    };
    const { runner, ledger } = run(sink, { compression: "gzip" });
    await runner.offer(batchOf(lines(0, 3)), ledger, true);
    await runner.drain();
    expect(sink.requests).toEqual([[0, 1, 2], [1]]);
    expect(encodings).toEqual(["gzip", "gzip"]);
  });

  it("halves a request that is too large until it fits", async () => {
    const sink = new FarEnd();
    sink.answer = (_, numbers) => (numbers.length > 1 ? split("too large") : DONE);
    const { runner, ledger } = run(sink);
    const batch = batchOf(lines(0, 4));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(sink.requests.filter((numbers) => numbers.length === 1)).toEqual([[0], [1], [2], [3]]);
    expect(ledger.cursor).toEqual(batch.end);
  });

  it("puts a refused event into the dead letters with its line, and goes on", async () => {
    const sink = new FarEnd();
    sink.answer = (_, numbers) => numbers.map((number) => (number === 2 ? reject("mapping") : DONE));
    const { runner, ledger } = run(sink);
    const batch = batchOf(lines(0, 4));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(ledger.cursor).toEqual(batch.end);
    const kept = [];
    for await (const letter of readDeadLetters(letters.path)) kept.push(letter);
    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatchObject({ sink: "archive", reason: "mapping", line: auditLine(2) });
    expect(JSON.parse(kept[0].members)).toMatchObject({ auditship: { source: "test" } });
  });

  it("tries safe shape once before it gives an event up", async () => {
    const sink = new FarEnd();
    const safe: string[] = [];
    sink.encodeSafe = (event, reason, out) => {
      safe.push(`${event.id()} ${reason}`);
      out.text(`{"auditID":"${String(numberOf(event.batch.bytes)).padStart(12, "0")}","safe":true}\n`);
    };
    sink.answer = (request, numbers) =>
      numbers.map((number, index) => {
        const isSafe = Buffer.from(request.item(index)).includes('"safe":true');
        return number === 1 || (number === 2 && !isSafe) ? reject("mapping") : DONE;
      });
    const { runner, ledger } = run(sink);
    const batch = batchOf(lines(0, 4));
    const ids = [1, 2].map((row) => batch.at(row).id());
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(safe).toEqual(ids.map((id) => `${id} mapping`));
    expect(ledger.cursor).toEqual(batch.end);
    const kept = [];
    for await (const letter of readDeadLetters(letters.path)) kept.push(letter.line);
    expect(kept).toEqual([auditLine(1)]);
  });

  it("puts aside the event itself, whatever the sink made of it", async () => {
    const sink = new FarEnd();
    sink.encode = (event, out) => out.text(`{"auditID":"${String(event.row).padStart(12, "0")}","shape":"another"}\n`);
    sink.answer = (_, numbers) => numbers.map((number) => (number === 0 ? DONE : reject("mapping")));
    const { runner, ledger } = run(sink, { compression: "gzip" });
    await runner.offer(batchOf(lines(0, 3)), ledger, true);
    await runner.drain();
    const kept = [];
    for await (const letter of readDeadLetters(letters.path)) kept.push(letter);
    expect(kept.map(({ line }) => line)).toEqual([auditLine(1), auditLine(2)]);
    expect(JSON.parse(kept[1].members)).toMatchObject({ auditship: { source: "test" } });
  });

  it("parks instead of emptying itself into the dead letters", async () => {
    const sink = new FarEnd();
    sink.reachable = false;
    sink.answer = () => reject("mapping");
    const { runner, ledger } = run(sink, { maxEvents: 400 });
    const parked = new Promise<string>((resolve) => {
      runner.onParked = resolve;
    });
    await runner.offer(batchOf(lines(0, 3000)), ledger, true);
    expect(await parked).toContain("more than half");
    expect(letters.count).toBeLessThan(1000);
    runner.close();
  });

  it("does not park for events that are taken in safe shape: nobody can stop an archive by what he puts into bodies", async () => {
    const sink = new FarEnd();
    sink.encodeSafe = (event, _reason, out) => sink.encode(event, out);
    const refused = new Set<number>();
    sink.answer = (_, numbers) =>
      numbers.map((number) => {
        if (refused.has(number)) return DONE;
        refused.add(number);
        return reject("mapping");
      });
    const { runner, ledger } = run(sink, { maxEvents: 400 });
    const batch = batchOf(lines(0, 1500));
    expect(await runner.offer(batch, ledger, true)).toBe(true);
    await runner.drain();
    expect([runner.taking, ledger.cursor, letters.count]).toEqual([true, batch.end, 0]);
  });

  it("puts nothing more aside while it is refused, says so, and goes on when it is taken again", async () => {
    const sink = new FarEnd();
    let mended = false;
    sink.answer = () => (mended ? DONE : reject("mapping"));
    const { runner, ledger } = run(sink, { maxEvents: 400 });
    const batch = batchOf(lines(0, 3000));
    let ready = next(runner, "onReady");
    await runner.offer(batch, ledger, true);
    await ready;
    const { count } = letters;
    ready = next(runner, "onReady");
    const again = batchOf(lines(0, 3000));
    const parked = next(runner, "onParked");
    await runner.offer(again, ledger, true);
    await parked;
    expect(runner.stuck).toContain("more than half of the last 1000 events were refused: mapping");
    expect(letters.count).toBe(count);
    mended = true;
    await ready;
    expect(await runner.offer(batchOf(lines(0, 3000)), ledger, true)).toBe(true);
    await runner.drain();
    expect([runner.stuck, letters.count, ledger.cursor]).toEqual([undefined, count, batch.end]);
    runner.close();
  });

  it("parks when its dead letters are full, and takes nothing until there is room", async () => {
    await letters.close();
    letters = new DeadLetters(state, "archive", { maxSize: 1500, whenFull: "park" }, host.meter);
    const sink = new FarEnd();
    sink.answer = (_, numbers) => numbers.map((number) => (number < 5 ? reject("mapping") : DONE));
    const { runner, ledger } = run(sink, { maxEvents: 2 });
    await runner.begin();
    const parked = next(runner, "onParked");
    await runner.offer(batchOf(lines(0, 20)), ledger, true);
    await parked;
    expect(runner.stuck).toContain("are full (1500 bytes)");
    const sent = sink.requests.length;
    await expect.poll(() => sink.probes).toBeGreaterThan(3);
    expect([runner.taking, sink.requests.length]).toEqual([false, sent]);
    const kept = [];
    for await (const { id } of readDeadLetters(letters.path)) kept.push(id);
    expect(kept.length).toBeGreaterThan(0);
    const ready = next(runner, "onReady");
    await removeDeadLetters(letters.path, kept);
    await ready;
    expect(runner.stuck).toBeUndefined();
    runner.close();
  });

  it("begins parked when its dead letters cannot be opened, and goes on when they can", async () => {
    await letters.close();
    await rm(join(state, "dead-letters"), { recursive: true });
    await writeFile(join(state, "dead-letters"), "in the way");
    letters = new DeadLetters(state, "archive", { maxSize: 3000, whenFull: "park" }, host.meter);
    const { runner } = run(new FarEnd());
    const ready = next(runner, "onReady");
    await runner.begin();
    expect(runner.stuck).toContain("cannot be read or written");
    await rm(join(state, "dead-letters"));
    await ready;
    expect([runner.taking, runner.stuck]).toEqual([true, undefined]);
    runner.close();
  });

  it("keeps an event that it cannot encode as a dead letter", async () => {
    const sink = new FarEnd();
    const { encode } = sink;
    sink.encode = (event, out) => {
      out.text("half");
      if (event.row === 1) throw new Error("no shape for it");
      out.length -= 4;
      encode(event, out);
    };
    const { runner, ledger } = run(sink);
    const batch = batchOf(lines(0, 3));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    await expect.poll(() => letters.count).toBe(1);
    expect(sink.received).toEqual([0, 2]);
    await expect.poll(() => ledger.cursor).toEqual(batch.end);
  });

  it("keeps the events of one line in one request", async () => {
    const sink = new FarEnd();
    const items = range(0, 4).map((number) => auditLine(number));
    const { runner, ledger } = run(sink, { maxEvents: 2 });
    await runner.offer(batchOf([auditLine(9), `{"kind":"EventList","items":[${items}]}`, auditLine(8)]), ledger, true);
    await runner.drain();
    expect(sink.requests).toEqual([[9, 0, 1, 2, 3], [8]]);
  });
});

describe("what is ahead of a backlog", () => {
  /** A far end that answers one request at a time, when it is told to. */
  function slow(options: Parameters<typeof run>[1] = {}) {
    const sink = new FarEnd();
    const held: (() => void)[] = [];
    sink.answer = () => new Promise((resolve) => held.push(() => resolve(DONE)));
    const { runner, ledger } = run(sink, { maxEvents: 2, stallAfter: 60_000, ...options });
    const start = { file: testFile, offset: 1_000_000 };
    const ahead = Ledger.ahead(start);
    runner.addLedger(ahead);
    let end = start.offset;
    return {
      sink,
      runner,
      ledger,
      ahead,
      /** Offers events numbered from `from` on as the next ones ahead. */
      fresh(from: number, to: number) {
        const batch = batchOf(lines(from, to), end);
        end = batch.end.offset;
        return runner.offer(batch, ahead, true);
      },
      /** Answers the request that is on its way, once it is there. */
      async answer() {
        await expect.poll(() => held.length).toBeGreaterThan(0);
        held.shift()!();
      },
    };
  }

  it("goes before what waits of the backlog, and not in requests with it", async () => {
    const { sink, runner, ledger, ahead, fresh, answer } = slow();
    const backlog = runner.offer(batchOf(lines(0, 10)), ledger, true);
    await expect.poll(() => sink.requests.length).toBe(1);
    expect(await fresh(100, 101)).toBe(true);
    await answer();
    await expect.poll(() => sink.requests).toEqual([[0, 1], [100]]);
    for (let request = 1; request < 6; request++) await answer();
    expect(await backlog).toBe(true);
    await runner.drain();
    expect(sink.requests.slice(2).flat()).toEqual(range(2, 10));
    expect([ledger.busy, ahead.busy]).toEqual([false, false]);
  });

  it("does not keep the backlog from going on, however much there is of it: that has one request of five", async () => {
    const { sink, runner, ledger, fresh, answer } = slow();
    const offered = [runner.offer(batchOf(lines(0, 12)), ledger, true)];
    await expect.poll(() => sink.requests.length).toBe(1);
    offered.push(fresh(100, 200));
    for (let request = 1; request <= 20; request++) {
      await answer();
      await expect.poll(() => sink.requests.length).toBe(request + 1);
    }
    const turns = sink.requests.map(([number]) => (number < 100 ? "backlog" : "fresh")).join(" ");
    expect(turns).toContain("fresh fresh fresh");
    expect(turns).not.toContain("fresh fresh fresh fresh fresh");
    for (let request = 21; request <= 56; request++) await answer();
    expect(await Promise.all(offered)).toEqual([true, true]);
    await runner.drain();
    expect(sorted(sink.received)).toEqual([...range(0, 12), ...range(100, 200)]);
  });

  it("does not keep the backlog from going on where it takes what memory there is", async () => {
    // Requests of 1 MiB with some slack: for two that are ahead and one being filled, but not for another one.
    const { sink, runner, ledger, fresh, answer } = slow({ memory: 4.5 * 1024 ** 2 });
    const offered = [fresh(100, 120)];
    await expect.poll(() => sink.requests.length).toBe(1);
    offered.push(runner.offer(batchOf(lines(0, 4)), ledger, true));
    for (let request = 0; request < 12; request++) await answer();
    expect(await Promise.all(offered)).toEqual([true, true]);
    await runner.drain();
    expect(sink.requests.slice(0, 6).flat()).toContain(0);
    expect(sorted(sink.received)).toEqual([...range(0, 4), ...range(100, 120)]);
  });

  it("does not keep an event beyond maxBytes from being alone", async () => {
    const { sink, runner, ledger, fresh, answer } = slow();
    const huge = auditLine(0, { annotations: { padding: "y".repeat(2 << 20) } });
    const first = fresh(100, 104);
    await expect.poll(() => sink.requests.length).toBe(1);
    const backlog = runner.offer(batchOf([huge]), ledger, true);
    const second = fresh(104, 110);
    for (let request = 0; request < 6; request++) await answer();
    expect(await Promise.all([first, backlog, second])).toEqual([true, true, true]);
    await runner.drain();
    expect(sink.requests.slice(0, 4)).toContainEqual([0]);
  });

  it("keeps its order when the backlog is done", async () => {
    const { sink, runner, ahead, fresh, answer } = slow();
    await fresh(100, 102);
    await expect.poll(() => sink.requests.length).toBe(1);
    // Gathered, not queued yet.
    await fresh(102, 103);
    ahead.join();
    const more = fresh(103, 112);
    for (let request = 0; request < 6; request++) await answer();
    expect(await more).toBe(true);
    await runner.drain();
    expect(sink.received).toEqual(range(100, 112));
  });

  it("is forgotten when the sink parks, and comes once when it is offered again", async () => {
    const { sink, runner, ledger, ahead } = slow();
    sink.answer = () => retry("503");
    const batch = batchOf(lines(100, 101), 1_000_000);
    const later = batchOf(lines(101, 102), batch.end.offset);
    await runner.offer(batch, ahead, true);
    // Gathered, not queued yet.
    await runner.offer(later, ahead, true);
    const ready = next(runner, "onReady");
    runner.park("test");
    await ready;
    sink.answer = () => DONE;
    sink.requests.length = 0;
    await runner.offer(batchOf(lines(0, 1)), ledger, true);
    await runner.offer(batch, ahead, true);
    await runner.offer(later, ahead, true);
    await runner.drain();
    expect(sorted(sink.received)).toEqual([0, 100, 101]);
    expect(ahead.cursor).toEqual(later.end);
  });
});

describe("an event that the far end says it has", () => {
  const results = () =>
    [...counted].filter(([key]) => key.startsWith("auditship_sink_events_total")).map(([key]) => key.split(" ")[2]);

  it("is a conflict if it was never sent before, acknowledged, and said once", async () => {
    const sink = new FarEnd();
    sink.answer = () => DUPLICATE;
    const warnings: object[] = [];
    const { runner, ledger } = run(sink, { maxEvents: 1, warnings });
    const batch = batchOf(lines(0, 2));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(results()).toEqual(["conflict"]);
    expect(ledger.cursor).toEqual(batch.end);
    expect(warnings).toMatchObject([{ sink: "archive", id: batch.at(0).id() }]);
  });

  it("is a conflict too if the first try was answered with a refusal of it", async () => {
    const sink = new FarEnd();
    sink.answer = (request) => (request.attempt === 0 ? retry("busy") : DUPLICATE);
    const { runner, ledger } = run(sink);
    await runner.offer(batchOf(lines(0, 1)), ledger, true);
    await runner.drain();
    expect(results()).toEqual(["retried", "conflict"]);
  });

  it.each<[string, FarEnd["answer"]]>([
    ["no answer", () => Promise.reject(new Error("connection closed"))],
    ["an answer that leaves it open", () => unsure(retry("502"))],
    [
      "halves of a request whose answer leaves it open",
      (_, numbers) => (numbers.length > 1 ? unsure(split("too long")) : DUPLICATE),
    ],
  ])("is a duplicate after %s", async (_, first) => {
    const sink = new FarEnd();
    sink.answer = (request, numbers) => (request.unsure ? DUPLICATE : first(request, numbers));
    const { runner, ledger } = run(sink);
    await runner.offer(batchOf(lines(0, 2)), ledger, true);
    await runner.drain();
    expect(results().filter((result) => result !== "retried")).toEqual(["duplicate"]);
  });

  it("is a duplicate where it may have been sent by an agent before; what comes after is sent as fresh", async () => {
    const sink = new FarEnd();
    const asked: boolean[] = [];
    sink.answer = (request) => {
      asked.push(request.unsure);
      return request.unsure ? DUPLICATE : DONE;
    };
    const { runner, ledger } = run(sink);
    const old = batchOf(lines(0, 3));
    ledger.mayBeSent(old.end);
    await runner.offer(old, ledger, true);
    await runner.drain();
    await runner.offer(batchOf(lines(3, 5), old.end.offset), ledger, true);
    await runner.drain();
    expect(asked).toEqual([true, false]);
    expect(results()).toEqual(["duplicate", "created"]);
  });
});

describe("waiting for room", () => {
  it("leaves no timer of the sink's patience behind: with many requests a second there would be thousands", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { runner, ledger } = run(new FarEnd(), { maxEvents: 1, stallAfter: 60_000 });
      await runner.offer(batchOf(lines(0, 20)), ledger, true);
      await runner.drain();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the next try", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("waits what the far end asks for also where the sink parks meanwhile: it is not even probed", async () => {
    const sink = new FarEnd();
    sink.answer = () => retry("busy", 60_000);
    const { runner, ledger } = run(sink, { maxEvents: 1, retry: 500, retryMax: 30_000, random: () => 0.5 });
    const offered = runner.offer(batchOf(lines(0, 4)), ledger, true);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await offered).toBe(false);
    const ready = next(runner, "onReady");
    runner.park("busy");
    await vi.advanceTimersByTimeAsync(57_000);
    expect([sink.requests.length, sink.probes]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(2000);
    await ready;
    expect(sink.probes).toBe(1);
  });

  it.each([
    ["what the far end asks for, and by chance some more", retry("busy", 5000), 5000 + 250],
    ["ten of the longest backoffs, however much the far end asks for", retry("busy", 3_600_000), 300_000 + 250],
    ["by chance within the first backoff", retry("busy"), 250],
    ["no longer at first for what an operator must mend", retrySlowly("no right"), 250],
  ])("waits %s", async (_, verdict, expected) => {
    const sink = new FarEnd();
    sink.answer = (request) => (request.attempt === 0 ? verdict : DONE);
    const { runner, ledger } = run(sink, { retry: 500, retryMax: 30_000, random: () => 0.5 });
    await runner.offer(batchOf(lines(0, 1)), ledger, true);
    await vi.advanceTimersByTimeAsync(expected - 1);
    expect(sink.requests).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sink.requests).toHaveLength(2);
  });

  it("is made slowly, and for ever, for what only an operator can mend", async () => {
    const sink = new FarEnd();
    sink.answer = () => retrySlowly("no right");
    const { runner, ledger } = run(sink, { retry: 500, retryMax: 30_000, slow: 60_000, random: () => 0.5 });
    await runner.offer(batchOf(lines(0, 1)), ledger, true);
    // 0.25, 0.5, 1 and 2 s for the first four, then half a minute each.
    await vi.advanceTimersByTimeAsync(3750);
    expect(sink.requests).toHaveLength(5);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(sink.requests).toHaveLength(15);
    runner.close();
  });
});

describe("events that wait for what only an operator can mend", () => {
  it("are counted by each reason, and the sink says why until all is taken", async () => {
    const sink = new FarEnd();
    let mended = false;
    sink.answer = (_, numbers) =>
      numbers.map((number) =>
        mended || number === 0
          ? DONE
          : number === 1
            ? retrySlowly("a disk is full, so the index takes no writes (429)")
            : retry("busy (429)"),
      );
    const gauges = new Map<string, number>();
    const { runner, ledger } = run(sink, { gauges });
    const told: (string | undefined)[] = [];
    const shown: (number | undefined)[] = [];
    const note = () => {
      told.push(runner.stuck);
      shown.push(gauges.get("auditship_sink_stuck"));
    };
    runner.onHindered = note;
    runner.onAnswered = note;
    const batch = batchOf(lines(0, 4));
    await runner.offer(batch, ledger, true);
    await expect.poll(() => sink.requests.length).toBeGreaterThan(2);
    expect(told).toEqual(["a disk is full, so the index takes no writes (429)"]);
    expect(counted.get("auditship_sink_retries_total archive busy")).toBe(
      2 * counted.get("auditship_sink_retries_total archive a disk is full, so the index takes no writes")!,
    );
    mended = true;
    await runner.drain();
    expect(told.slice(1)).toEqual([undefined]);
    expect(shown).toEqual([1, 0]);
    expect(ledger.cursor).toEqual(batch.end);
  });
});

describe("a sink whose far end is gone", () => {
  it("parks after stallAfter, and is offered again only what it does not have", async () => {
    const sink = new FarEnd();
    let up = true;
    sink.answer = (_, numbers) => (up ? DONE : numbers.map(() => retry("503")));
    const { runner, ledger } = run(sink, { maxEvents: 2, stallAfter: 30 });
    const first = batchOf(lines(0, 4));
    await runner.offer(first, ledger, false);
    await runner.drain();
    up = false;
    sink.reachable = false;
    const second = batchOf(lines(4, 20), first.end.offset);
    expect(await runner.offer(second, ledger, false)).toBe(false);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    runner.park("test");
    expect(runner.taking).toBe(false);
    expect(await runner.offer(second, ledger, false)).toBe(false);
    await expect.poll(() => sink.probes).toBeGreaterThan(1);
    expect(ledger.cursor).toEqual(first.end);
    expect(ledger.busy).toBe(false);

    sink.requests.length = 0;
    up = true;
    sink.reachable = true;
    await ready;
    expect(await runner.offer(second, ledger, true)).toBe(true);
    await runner.drain();
    expect(sink.received).toEqual(range(4, 20));
    expect(ledger.cursor).toEqual(second.end);
  });

  it("gets nothing twice of what it took before it went", async () => {
    const sink = new FarEnd();
    sink.answer = (_, numbers) => (numbers[0] < 4 ? DONE : retry("503"));
    const { runner, ledger } = run(sink, { maxEvents: 2, stallAfter: 30 });
    const batch = batchOf(lines(0, 20));
    expect(await runner.offer(batch, ledger, false)).toBe(false);
    const ready = new Promise<void>((resolve) => {
      runner.onReady = resolve;
    });
    runner.park("test");
    sink.answer = () => DONE;
    await ready;
    sink.requests.length = 0;
    await runner.offer(batch, ledger, true);
    await runner.drain();
    expect(sink.received).toEqual(range(4, 20));
    expect(ledger.cursor).toEqual(batch.end);
  });

  it("that wants nothing more is not asked again, keeps its cursor, and has what it took before", async () => {
    const sink = new FarEnd();
    sink.answer = (_, numbers) => numbers.map((number) => (number < 3 ? DONE : stop("gone")));
    const { runner, ledger } = run(sink, { maxEvents: 2 });
    const said: string[] = [];
    runner.onParked = (reason) => said.push(`parked: ${reason}`);
    runner.onStopped = (reason) => said.push(`stopped: ${reason}`);
    const batch = batchOf(lines(0, 6));
    await runner.offer(batch, ledger, true);
    await runner.drain();
    await expect.poll(() => ledger.busy).toBe(false);
    expect(said).toEqual(["parked: gone", "stopped: gone"]);
    expect([runner.state, runner.taking, runner.failing]).toEqual(["stopped", false, "gone"]);
    expect(sink.requests).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(await runner.offer(batch, ledger, true)).toBe(false);
    await runner.greet();
    expect(sink.probes).toBe(0);
    expect(ledger.cursor).toEqual({ file: batch.file, offset: 0 });
    expect(letters.count).toBe(0);
    runner.close();
  });

  it("is not waited for by a stop, and gets what is left later", async () => {
    const sink = new FarEnd();
    sink.answer = () => retry("503");
    const { runner, ledger } = run(sink, { retry: 3_600_000 });
    const batch = batchOf(lines(0, 3));
    await runner.offer(batch, ledger, true);
    await expect.poll(() => sink.requests.length).toBe(1);
    await runner.finish();
    expect(sink.requests.length).toBe(1);
    expect(ledger.cursor).toEqual({ file: batch.file, offset: 0 });
  });

  it("that keeps order gets nothing before what a stop leaves undelivered: neither other requests nor halves", async () => {
    const sink = new FarEnd();
    sink.answer = (_, numbers) => (numbers.length > 2 ? split("too large") : numbers.includes(2) ? retry("503") : DONE);
    const { runner, ledger } = run(sink, { maxEvents: 6, retry: 3_600_000 });
    await runner.offer(batchOf(lines(0, 12)), ledger, true);
    await expect.poll(() => sink.requests.at(-1)).toEqual([2]);
    await runner.finish();
    expect(sink.requests).toEqual([[0, 1, 2, 3, 4, 5], [0, 1, 2], [0, 1], [2]]);
  });

  it("waits on for a slow far end that does not fail when it is alone", async () => {
    const sink = new FarEnd();
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    sink.answer = () => gate.then(() => DONE);
    const { runner, ledger } = run(sink, { maxEvents: 1, stallAfter: 5 });
    const offered = runner.offer(batchOf(lines(0, 5)), ledger, true);
    await expect.poll(() => sink.requests.length).toBe(1);
    release();
    expect(await offered).toBe(true);
    await runner.drain();
    expect(sink.received).toEqual(range(0, 5));
  });

  it("has one event beyond maxBytes in memory at a time", async () => {
    const sink = Object.assign(new FarEnd(), { ordered: false });
    let most = 0;
    let onItsWay = 0;
    sink.answer = async () => {
      most = Math.max(most, ++onItsWay);
      await new Promise(setImmediate);
      onItsWay--;
      return DONE;
    };
    const { runner, ledger } = run(sink, { concurrency: 4 });
    const annotations = { padding: "y".repeat(2 << 20) };
    await runner.offer(batchOf(range(0, 5).map((number) => auditLine(number, { annotations }))), ledger, true);
    await runner.drain();
    expect(sink.received).toEqual(range(0, 5));
    expect(most).toBe(1);
  });

  it("has no more requests on their way than there is memory for", async () => {
    const sink = Object.assign(new FarEnd(), { ordered: false });
    const waiting: (() => void)[] = [];
    let most = 0;
    sink.answer = () =>
      new Promise((resolve) => {
        waiting.push(() => resolve(DONE));
        most = Math.max(most, waiting.length);
      });
    // Requests of 1 MiB with some slack: one being filled, and four waiting or on their way.
    const { runner, ledger } = run(sink, { concurrency: 16, memory: 5.5 * 1024 ** 2, stallAfter: 60_000 });
    const annotations = { padding: "y".repeat(300_000) };
    const offered = runner.offer(batchOf(range(0, 120).map((n) => auditLine(n, { annotations }))), ledger, true);
    let over = false;
    void offered
      .then(() => runner.drain())
      .then(() => {
        over = true;
      });
    while (!over) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      waiting.shift()?.();
    }
    expect(sink.received.toSorted((a, b) => a - b)).toEqual(range(0, 120));
    expect(most).toBeLessThanOrEqual(4);
  });
});
