import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import type { Runner } from "../../src/delivery/runner.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { EventBatch } from "../../src/event/index.js";
import { Feed } from "../../src/pipeline/feed.js";
import { CATCH_UP_LANES } from "../../src/pipeline/memory.js";
import { Slots } from "../../src/pipeline/slots.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import { type Batch, DONE, retry, type StartPoint } from "../../src/plugin/index.js";
import { auditLine } from "../support/batches.js";
import { FarEnd, quietHost } from "../support/far-end.js";
import { MemorySource } from "../support/memory-source.js";

let state: string;
let source: MemorySource;
let feed: Feed;
let batches = 0;
/** What the stages do; some tests let lanes be slow in turn. */
let work: (batch: Batch) => Promise<void> = async () => {};
/** Milliseconds. */
let stallAfter = 200;
const again = new Map<string, number>();
const failures: Error[] = [];
/** For each batch, whether it was counted as work done again. */
const counted: boolean[] = [];
const runners: Runner[] = [];
const stores: DeadLetters[] = [];

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "auditship-feed-"));
  batches = 0;
  stallAfter = 200;
  failures.length = 0;
  counted.length = 0;
  work = async () => {};
  source = new MemorySource();
  feed = newFeed();
});
afterEach(async () => {
  for (const runner of runners.splice(0)) runner.close();
  await feed.close();
  for (const store of stores.splice(0)) await store.close();
  await rm(state, { recursive: true, force: true });
  expect(failures).toEqual([]);
});

function newFeed(capacity = 16_384, slots = new Slots(CATCH_UP_LANES)): Feed {
  return new Feed(source, undefined, {
    source: "test",
    log: quietHost("").log,
    slots,
    newBatch: () => {
      batches++;
      return new EventBatch({ capacity, documents: { cluster: "", node: "", labels: {} } });
    },
    count: (_, fresh) => counted.push(fresh.length === 0),
    batchBytes: capacity,
    runStages: (batch) => work(batch),
    onProgress() {},
    onFailure: (error) => failures.push(error),
  });
}

async function addSink(name: string, sink: FarEnd, start: StartPoint = { at: "beginning" }): Promise<SendingRunner> {
  const runner = await makeSink(name, sink);
  feed.add(runner, undefined, start);
  return runner;
}

async function makeSink(name: string, sink: FarEnd): Promise<SendingRunner> {
  const host = quietHost(name, again);
  const deadLetters = new DeadLetters(state, name, { maxSize: 1 << 20, whenFull: "park" }, host.meter);
  await deadLetters.ready();
  stores.push(deadLetters);
  const runner = new SendingRunner(
    sink,
    host,
    {
      request: { maxBytes: 8192, maxEvents: 20, maxWait: 5 },
      retry: { initial: 1, max: 3, slow: 3 },
      concurrency: 1,
      memory: 32 << 20,
      compression: "none",
      stallAfter,
      select: createSelect("all", () => () => true),
    },
    { deadLetters, viewLetter: StoredEvent.of },
  );
  runner.onParked = () => feed.leave(runner);
  runner.onReady = () => feed.rejoin(runner);
  runners.push(runner);
  return runner;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const lines = (from: number, to: number) => range(from, to).map((number) => auditLine(number));

describe("sinks on one source", () => {
  it("all get every event, in order", async () => {
    const [one, two] = [new FarEnd(), new FarEnd()];
    const made = [await makeSink("one", one), await makeSink("two", two)];
    for (const runner of made) feed.add(runner, undefined, { at: "beginning" });
    source.append(lines(0, 100));
    await expect.poll(() => [one.received.length, two.received.length]).toEqual([100, 100]);
    source.append(lines(100, 200));
    await expect.poll(() => one.received.length).toBe(200);
    await expect.poll(() => two.received).toEqual(range(0, 200));
    expect(one.received).toEqual(range(0, 200));
    expect(batches).toBe(1);
  });

  it("a dead one does not hold up a healthy one, and gets everything once when it is back", async () => {
    const [healthy, dead] = [new FarEnd(), new FarEnd()];
    dead.reachable = false;
    dead.answer = () => retry("connection refused");
    const live = await addSink("healthy", healthy);
    const parked = await addSink("dead", dead);
    source.append(lines(0, 500));
    await expect.poll(() => healthy.received.length).toBe(500);
    await expect.poll(() => parked.state).toBe("parked");
    source.append(lines(500, 1000));
    await expect.poll(() => healthy.received.length).toBe(1000);
    await expect.poll(() => source.readers).toBe(1);

    dead.requests.length = 0;
    dead.answer = () => DONE;
    dead.reachable = true;
    await expect.poll(() => dead.received.length).toBeGreaterThan(500);
    source.append(lines(1000, 1500));
    await expect.poll(() => dead.received.length).toBe(1500);
    expect(dead.received).toEqual(range(0, 1500));
    await expect.poll(() => healthy.received.length).toBe(1500);
    expect(healthy.received).toEqual(range(0, 1500));
    await expect.poll(() => [live.state, parked.state, source.readers]).toEqual(["live", "live", 1]);
  });

  it("one that comes back while events keep coming meets the live lane and misses nothing", async () => {
    const [healthy, dead] = [new FarEnd(), new FarEnd()];
    dead.reachable = false;
    dead.answer = () => retry("503");
    await addSink("healthy", healthy);
    const parked = await addSink("dead", dead);
    source.append(lines(0, 300));
    await expect.poll(() => parked.state).toBe("parked");
    dead.requests.length = 0;
    dead.answer = () => DONE;
    dead.reachable = true;
    for (let next = 300; next < 3000; next += 10) {
      source.append(lines(next, next + 10));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => dead.received.length).toBe(3000);
    expect(dead.received).toEqual(range(0, 3000));
    await expect.poll(() => healthy.received.length).toBe(3000);
    expect(healthy.received).toEqual(range(0, 3000));
  });

  it("get a batch that a required stage failed on when it works again, and it is counted once", async () => {
    let failed = false;
    work = async () => {
      if (failed) return;
      failed = true;
      throw new Error("no key");
    };
    const sink = new FarEnd();
    await addSink("one", sink);
    source.append(lines(0, 5));
    await expect.poll(() => sink.received).toEqual(range(0, 5));
    expect(counted).toEqual([false, true]);
  });

  it("nothing is read while all of them are parked", async () => {
    const dead = new FarEnd();
    dead.reachable = false;
    dead.answer = () => retry("503");
    const parked = await addSink("dead", dead);
    source.append(lines(0, 300));
    await expect.poll(() => parked.state).toBe("parked");
    await expect.poll(() => source.readers).toBe(0);
    dead.requests.length = 0;
    dead.answer = () => DONE;
    dead.reachable = true;
    await expect.poll(() => dead.received.length).toBe(300);
    expect(dead.received).toEqual(range(0, 300));
  });

  it("ten that come back at once share the catch-up lanes", async () => {
    const healthy = new FarEnd();
    await addSink("healthy", healthy);
    const dead = range(0, 10).map(() => new FarEnd());
    const parked: Runner[] = [];
    for (const [index, sink] of dead.entries()) {
      sink.reachable = false;
      sink.answer = () => retry("503");
      parked.push(await addSink(`dead-${index}`, sink));
    }
    source.append(lines(0, 400));
    await expect.poll(() => parked.every(({ state }) => state === "parked")).toBe(true);
    let most = 0;
    for (const sink of dead) {
      sink.requests.length = 0;
      sink.answer = () => {
        most = Math.max(most, source.readers);
        return DONE;
      };
      sink.reachable = true;
    }
    for (const sink of dead) await expect.poll(() => sink.received.length).toBe(400);
    for (const sink of dead) expect(sink.received).toEqual(range(0, 400));
    expect(most).toBeLessThanOrEqual(1 + CATCH_UP_LANES);
  });

  it("takes turns with others where there is one place for catch-up lanes", async () => {
    const slots = new Slots(1, 0);
    feed = newFeed(2000, slots);
    const [healthy, one, two] = [new FarEnd(), new FarEnd(), new FarEnd()];
    await addSink("healthy", healthy);
    for (const [index, dead] of [one, two].entries()) {
      dead.reachable = false;
      dead.answer = () => retry("503");
      const parked = await addSink(`dead-${index}`, dead);
      source.append(lines(index * 200, index * 200 + 200));
      await expect.poll(() => parked.state).toBe("parked");
    }
    await expect.poll(() => healthy.received.length).toBe(400);
    // Who is first is answered when the other waits for its place: alone it would not have to share.
    const waiting = new Promise<void>((resolve) => {
      slots.whenFree = (ask) => {
        Slots.prototype.whenFree.call(slots, ask);
        resolve();
      };
    });
    const order: string[] = [];
    for (const [index, dead] of [one, two].entries()) {
      dead.requests.length = 0;
      dead.answer = async () => {
        await waiting;
        order.push(`${index}`);
        return DONE;
      };
      dead.reachable = true;
    }
    await expect.poll(() => [one.received.length, two.received.length]).toEqual([400, 400]);
    await expect.poll(() => order.length).toBe(one.requests.length + two.requests.length);
    expect(order.indexOf("0")).toBeLessThan(order.lastIndexOf("1"));
    expect(order.indexOf("1")).toBeLessThan(order.lastIndexOf("0"));
    expect([one.received, two.received]).toEqual([range(0, 400), range(0, 400)]);
  });

  it("do not wait for one that answers, but slowly: that follows in a lane of its own", async () => {
    const [quick, slow] = [new FarEnd(), new FarEnd()];
    const made = [await makeSink("quick", quick), await makeSink("slow", slow)];
    let answer = () => {};
    slow.answer = () => new Promise((resolve) => (answer = () => resolve(DONE)));
    for (const runner of made) feed.add(runner, undefined, { at: "beginning" });
    for (let next = 0; quick.received.length < 2000; next += 100) {
      if (next < 2000) source.append(lines(next, next + 100));
      await new Promise((resolve) => setTimeout(resolve, 1));
      answer();
    }
    expect(slow.received.length).toBeLessThan(2000);
    slow.answer = () => DONE;
    answer();
    await expect.poll(() => slow.received.length).toBe(2000);
    expect(slow.received).toEqual(range(0, 2000));
  });

  it("that catches up does not wait for one that is alone and stuck at the head", async () => {
    const [stuck, back] = [new FarEnd(), new FarEnd()];
    back.reachable = false;
    back.answer = () => retry("503");
    await addSink("stuck", stuck);
    const parked = await addSink("back", back);
    source.append(lines(0, 200));
    await expect.poll(() => [parked.state, stuck.received.length]).toEqual(["parked", 200]);
    let free = () => {};
    stuck.answer = () => new Promise((resolve) => (free = () => resolve(DONE)));
    source.append(lines(200, 400));
    await expect.poll(() => stuck.received.length).toBeGreaterThan(200);
    back.requests.length = 0;
    back.answer = () => DONE;
    back.reachable = true;
    await expect.poll(() => back.received.length).toBe(400);
    source.append(lines(400, 500));
    await expect.poll(() => back.received).toEqual(range(0, 500));
    stuck.answer = () => DONE;
    free();
    await expect.poll(() => stuck.received).toEqual(range(0, 500));
  });

  it("starts at the end of the log when told so", async () => {
    source.append(lines(0, 50));
    const sink = new FarEnd();
    await addSink("late", sink, { at: "end" });
    await expect.poll(() => source.readers).toBe(1);
    source.append(lines(50, 60));
    await expect.poll(() => sink.received).toEqual(range(50, 60));
  });

  it.each([50, 0])(
    "starts at the end as it was when it came, though no lane is free for it (%i before)",
    async (before) => {
      const slots = new Slots(1);
      feed = newFeed(16_384, slots);
      const [healthy, late] = [new FarEnd(), new FarEnd()];
      await addSink("healthy", healthy);
      source.append(lines(0, before));
      await expect.poll(() => healthy.received.length).toBe(before);
      slots.take();
      const runner = await addSink("late", late, { at: "end" });
      await feed.begun();
      // What is written down of it, should the agent be killed now.
      const { file, offset } = feed.cursor(runner)!;
      expect({ file, offset }).toEqual({ file: before > 0 ? source.file.fingerprint : "", offset: source.length });
      source.append(lines(before, 100));
      await expect.poll(() => healthy.received.length).toBe(100);
      slots.give();
      source.append(lines(100, 110));
      await expect.poll(() => late.received).toEqual(range(before, 110));
    },
  );

  it("starts at the end of a log that was empty when it came, though it was parked then", async () => {
    const sink = new FarEnd();
    sink.reachable = false;
    const runner = await makeSink("held back", sink);
    runner.park("where it begins cannot be written");
    feed.add(runner, undefined, { at: "end" });
    await feed.begun();
    source.append(lines(0, 10));
    await expect.poll(() => source.readers).toBe(0);
    sink.reachable = true;
    await expect.poll(() => runner.state).toBe("live");
    source.append(lines(10, 20));
    await expect.poll(() => sink.received).toEqual(range(0, 20));
  });

  it("that is removed while its lane is being opened gets nothing", async () => {
    source.append(lines(0, 10));
    const sink = new FarEnd();
    const runner = await makeSink("archive", sink);
    feed.add(runner, undefined, { at: "beginning" });
    await Promise.resolve();
    feed.remove(runner);
    await feed.finished();
    expect(sink.received).toEqual([]);
    expect(source.readers).toBe(0);
  });

  it("continues where its stored cursor says, and skips the ranges it has", async () => {
    source.append(lines(0, 10));
    const line = source.length / 10;
    const sink = new FarEnd();
    const runner = await makeSink("archive", sink);
    const { fingerprint } = source.file;
    const ranges = [{ file: fingerprint, from: 5 * line, to: 7 * line }];
    feed.add(runner, { file: fingerprint, offset: 2 * line, ranges }, { at: "beginning" });
    await expect.poll(() => sink.received).toEqual([2, 3, 4, 7, 8, 9]);
    await expect.poll(() => feed.cursor(runner)).toEqual({ file: fingerprint, offset: source.length });
  });
});

describe("events that were in the log before the agent started", () => {
  /** For each event by number, whether its request said that it may have been sent before. */
  function noting(sink: FarEnd): Map<number, boolean> {
    const unsure = new Map<number, boolean>();
    sink.answer = (request, numbers) => {
      for (const number of numbers) unsure.set(number, request.unsure);
      return DONE;
    };
    return unsure;
  }

  it("may have been sent, whatever was written down of it; what is written later was not", async () => {
    source.append(lines(0, 10));
    await feed.close();
    feed = newFeed();
    const sink = new FarEnd();
    const unsure = noting(sink);
    await addSink("archive", sink);
    await expect.poll(() => unsure.size).toBe(10);
    source.append(lines(10, 20));
    await expect.poll(() => unsure.size).toBe(20);
    expect([...unsure.values()]).toEqual(range(0, 20).map((number) => number < 10));
  });

  it("may have been sent, too, by a sink that was replaced", async () => {
    const first = new FarEnd();
    const old = await addSink("archive", first);
    source.append(lines(0, 10));
    await expect.poll(() => first.received.length).toBe(10);
    feed.leave(old);
    feed.remove(old);
    const sink = new FarEnd();
    const unsure = noting(sink);
    await addSink("archive", sink);
    await expect.poll(() => unsure.size).toBe(10);
    expect([...unsure.values()]).toEqual(range(0, 10).map(() => true));
  });
});

describe("whatever comes and goes", () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ do: fc.constant("fail" as const), sink: fc.nat(2) }),
    fc.record({ do: fc.constant("mend" as const), sink: fc.nat(2) }),
    fc.record({ do: fc.constant("turn" as const), count: fc.integer({ min: 1, max: 30 }) }),
  );

  it("every sink gets every event once and in order", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 25 }),
        fc.integer({ min: 2000, max: 20_000 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 7 }),
        async (actions, capacity, turns) => {
          stallAfter = 20;
          let worked = 0;
          work = async () => {
            for (let i = turns[worked++ % turns.length]; i > 0; i--)
              await new Promise<void>((resolve) => setImmediate(resolve));
          };
          source = new MemorySource();
          feed = newFeed(capacity);
          const sinks = [new FarEnd(), new FarEnd(), new FarEnd()];
          const taken: number[][] = [[], [], []];
          sinks.forEach((sink, index) => {
            sink.answer = (_, numbers) => {
              if (!sink.reachable) return retry("503");
              taken[index].push(...numbers);
              return DONE;
            };
          });
          for (const [index, sink] of sinks.entries()) await addSink(`sink-${index}`, sink);
          let written = 0;
          for (const step of actions) {
            if (step.do === "append") {
              source.append(lines(written, written + step.count));
              written += step.count;
            } else if (step.do === "fail") sinks[step.sink].reachable = false;
            else if (step.do === "mend") sinks[step.sink].reachable = true;
            else for (let i = 0; i < step.count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
          }
          for (const sink of sinks) sink.reachable = true;
          for (const numbers of taken) await expect.poll(() => numbers.length).toBe(written);
          for (const numbers of taken) expect(numbers).toEqual(range(0, written));
          for (const runner of runners.splice(0)) runner.close();
          await feed.close();
          for (const store of stores.splice(0)) await store.close();
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});
