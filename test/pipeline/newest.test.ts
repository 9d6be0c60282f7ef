import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import { FoldingRunner } from "../../src/delivery/folding.js";
import type { StoredCursor } from "../../src/delivery/ledger.js";
import type { Runner, RunnerOptions } from "../../src/delivery/runner.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { EventBatch } from "../../src/event/index.js";
import { Feed } from "../../src/pipeline/feed.js";
import { CATCH_UP_LANES } from "../../src/pipeline/memory.js";
import { Slots } from "../../src/pipeline/slots.js";
import type { SourceState } from "../../src/pipeline/state.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import {
  type Batch,
  DONE,
  Field,
  type FoldingSink,
  ROW_WORDS,
  Row,
  retry,
  type Selection,
  type SinkState,
  type Verdict,
} from "../../src/plugin/index.js";
import { auditLine } from "../support/batches.js";
import { FarEnd, quietHost } from "../support/far-end.js";
import { MemorySource } from "../support/memory-source.js";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const lines = (from: number, to: number) => range(from, to).map((number) => auditLine(number));
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);

const LONG = process.env.AUDITSHIP_LONG !== undefined;
const DONE_NOW = Promise.resolve();

/** Something that is waited for until it is ended. */
function held(): { over: Promise<void>; end: () => void } {
  let end = () => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { over, end };
}

/** A far end that outlives agents: it is what a sink delivers to. */
interface End {
  readonly name: string;
  readonly catchUp: "oldest" | "newest";
  reachable: boolean;
  /** Numbers of the events, as they were acknowledged. */
  readonly taken: number[];
}

/** Keeps the numbers of what it folded, as its state. */
class Shelf implements FoldingSink {
  readonly mode = "fold";
  numbers: number[] = [];
  constructor(private readonly end: End) {}

  restore(state: SinkState | undefined): void {
    this.numbers = [...((state?.numbers as number[] | undefined) ?? [])];
  }

  fold(events: Selection): void {
    if (!this.end.reachable) throw new Error("no space left");
    for (const event of events) this.numbers.push(Number(event.text(Field.auditID)!.slice(-12)));
  }

  state(): SinkState {
    return { numbers: [...this.numbers] };
  }

  async flush(): Promise<void> {}

  async probe(): Promise<void> {
    if (!this.end.reachable) throw new Error("no space left");
  }
}

/** What a crash leaves. */
interface Saved {
  source?: SourceState;
  sinks: Map<string, { cursor: StoredCursor | undefined; state?: SinkState }>;
}

/** One life of an agent: a feed and its runners, from what was saved to a crash. */
class Life {
  readonly feed: Feed;
  readonly runners = new Map<string, Runner>();
  readonly shelves = new Map<string, Shelf>();
  #ended = false;
  readonly #stores: DeadLetters[] = [];

  private constructor(
    source: MemorySource,
    saved: Saved,
    private readonly counted: Map<number, number>,
    capacity: number,
    work: (batch: Batch) => Promise<void>,
    failures: Error[],
  ) {
    this.feed = new Feed(source, saved.source, {
      source: "test",
      log: quietHost("").log,
      slots: new Slots(CATCH_UP_LANES),
      batchBytes: 300,
      newBatch: () => new EventBatch({ capacity, documents: { cluster: "", node: "", labels: {} } }),
      count: (batch, fresh) => {
        this.#fresh.set(batch, fresh);
      },
      runStages: async (batch) => {
        await work(batch);
        if (this.#ended) return;
        for (let row = 0; row < batch.count; row++) {
          const event = batch.at(row);
          const offset = batch.offset + batch.table[row * ROW_WORDS + Row.line];
          if (!this.#fresh.get(batch as EventBatch)!.some(({ from, to }) => offset >= from && offset < to)) continue;
          const number = Number(event.text(Field.auditID)!.slice(-12));
          this.counted.set(number, (this.counted.get(number) ?? 0) + 1);
        }
      },
      onProgress() {},
      onFailure: (error) => failures.push(error),
    });
  }

  readonly #fresh = new Map<EventBatch, readonly { from: number; to: number }[]>();

  static async begin(
    state: string,
    source: MemorySource,
    ends: readonly End[],
    saved: Saved,
    counted = new Map<number, number>(),
    { capacity = 2000, work = (_: Batch): Promise<void> => DONE_NOW, failures = [] as Error[] } = {},
  ): Promise<Life> {
    const life = new Life(source, saved, counted, capacity, work, failures);
    for (const end of ends) await life.#make(state, end, saved.sinks.get(end.name)?.state);
    for (const [name, runner] of life.runners)
      life.feed.add(runner, saved.sinks.get(name)?.cursor, { at: "beginning" });
    void life.feed.begun();
    return life;
  }

  async #make(state: string, end: End, stored: SinkState | undefined): Promise<void> {
    const host = quietHost(end.name);
    const options: RunnerOptions = {
      request: { maxBytes: 2048, maxEvents: 5, maxWait: 2 },
      retry: { initial: 1, max: 3, slow: 3 },
      concurrency: 2,
      memory: 32 << 20,
      compression: "none",
      stallAfter: 20,
      catchUp: end.catchUp,
      select: createSelect("all", () => () => true),
    };
    let runner: Runner;
    if (end.name.startsWith("shelf")) {
      const shelf = new Shelf(end);
      const folding = new FoldingRunner(shelf, host, options);
      this.shelves.set(end.name, shelf);
      await folding.begin(stored);
      runner = folding;
    } else {
      const deadLetters = new DeadLetters(state, end.name, { maxSize: 1 << 20, whenFull: "park" }, host.meter);
      await deadLetters.ready();
      this.#stores.push(deadLetters);
      runner = new SendingRunner(this.#sink(end), host, options, { deadLetters, viewLetter: StoredEvent.of });
    }
    runner.onParked = () => this.feed.leave(runner);
    runner.onReady = () => this.feed.rejoin(runner);
    this.runners.set(end.name, runner);
  }

  #sink(end: End): FarEnd {
    const sink = new FarEnd();
    Object.defineProperty(sink, "ordered", { value: false });
    sink.answer = (_, numbers): Verdict | Promise<Verdict> => {
      // What a dead agent still has on its way does not arrive.
      if (this.#ended) return new Promise(() => {});
      if (!end.reachable) return retry("503");
      end.taken.push(...numbers);
      return DONE;
    };
    sink.probe = async () => {
      if (!end.reachable) throw new Error("connection refused");
    };
    return sink;
  }

  cursor(name: string): StoredCursor | undefined {
    return this.feed.cursor(this.runners.get(name)!);
  }

  /** What is on disk if it is killed now. */
  save(): Saved {
    const sinks = new Map<string, { cursor: StoredCursor | undefined; state?: SinkState }>();
    for (const [name, runner] of this.runners) {
      sinks.set(name, { cursor: this.feed.cursor(runner), state: this.shelves.get(name)?.state() });
    }
    return JSON.parse(JSON.stringify({ source: this.feed.state(), sinks: [...sinks] }), (key, value) =>
      key === "sinks" ? new Map(value) : value,
    ) as Saved;
  }

  async kill(): Promise<void> {
    this.#ended = true;
    for (const runner of this.runners.values()) runner.close();
    await this.feed.close();
    for (const store of this.#stores) await store.close();
  }
}

const makeEnd = (name: string, catchUp: "oldest" | "newest"): End => ({
  name,
  catchUp,
  reachable: true,
  taken: [],
});

const NOTHING: Saved = { sinks: new Map() };

let state: string;
let life: Life | undefined;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "auditship-newest-"));
});
afterEach(async () => {
  await life?.kill();
  life = undefined;
  await rm(state, { recursive: true, force: true });
});

describe("a sink that takes the newest first", () => {
  it("has what is written after an outage of the agent before the backlog, and all of it once", async () => {
    const source = new MemorySource();
    const [archive, alerts] = [makeEnd("archive", "oldest"), makeEnd("alerts", "newest")];
    source.append(lines(0, 10));
    life = await Life.begin(state, source, [archive, alerts], NOTHING);
    await expect.poll(() => [archive.taken.length, alerts.taken.length]).toEqual([10, 10]);
    const saved = life.save();
    await life.kill();

    source.append(lines(10, 500));
    source.rotate();
    source.append(lines(500, 1000));
    const [backlog, end] = [held(), source.length];
    const work = (batch: Batch) =>
      batch.file === source.files[1].ref && batch.offset >= end ? DONE_NOW : backlog.over;
    life = await Life.begin(state, source, [archive, alerts], saved, undefined, { work });
    await expect.poll(() => source.readers).toBe(2);
    source.append(lines(1000, 1010));
    await expect.poll(() => alerts.taken.slice(10)).toEqual(range(1000, 1010));
    backlog.end();
    await expect.poll(() => [archive.taken.length, alerts.taken.length]).toEqual([1010, 1010]);
    expect(sorted(alerts.taken)).toEqual(range(0, 1010));
    expect(sorted(archive.taken)).toEqual(range(0, 1010));
    await expect
      .poll(() => life!.cursor("alerts"))
      .toEqual({
        file: source.files[1].ref.fingerprint,
        offset: source.length,
      });
  });

  it("says where it is in ranges until the backlog is done, then by its cursor alone", async () => {
    const source = new MemorySource();
    const alerts = makeEnd("alerts", "newest");
    source.append(lines(0, 500));
    const [backlog, end] = [held(), source.length];
    const work = (batch: Batch) => (batch.offset >= end ? DONE_NOW : backlog.over);
    life = await Life.begin(state, source, [alerts], NOTHING, undefined, { work });
    await expect.poll(() => source.readers).toBe(2);
    source.append(lines(500, 510));
    await expect.poll(() => alerts.taken).toEqual(range(500, 510));
    const { fingerprint } = source.file;
    const ranges = [{ file: fingerprint, from: end, to: source.length }];
    await expect.poll(() => life!.cursor("alerts")).toMatchObject({ offset: 0, ranges });
    const runner = life.runners.get("alerts")!;
    expect([runner.state, life.feed.lag(runner).bytes]).toEqual(["catching-up", end]);
    backlog.end();
    await expect.poll(() => alerts.taken.length).toBe(510);
    await expect.poll(() => life!.cursor("alerts")).toEqual({ file: fingerprint, offset: source.length });
    expect(runner.state).toBe("live");
  });

  it("does not wait for a lane that is stuck", async () => {
    const source = new MemorySource();
    const [archive, alerts] = [makeEnd("archive", "oldest"), makeEnd("alerts", "newest")];
    alerts.reachable = false;
    source.append(lines(0, 500));
    const [stuck, end] = [held(), source.length];
    const begun = held();
    const work = async (batch: Batch) => {
      if (batch.offset !== end) return;
      begun.end();
      await stuck.over;
    };
    life = await Life.begin(state, source, [archive, alerts], NOTHING, undefined, { work });
    await expect.poll(() => life!.runners.get("alerts")!.state).toBe("parked");
    await expect.poll(() => archive.taken.length).toBe(500);
    source.append(lines(500, 501));
    await begun.over;
    alerts.reachable = true;
    // Its backlog is read once it is on a live lane.
    await expect.poll(() => alerts.taken.length).toBeGreaterThan(0);
    source.append(lines(501, 511));
    await expect.poll(() => alerts.taken.filter((number) => number > 500)).toEqual(range(501, 511));
    stuck.end();
    for (const { taken } of [archive, alerts]) await expect.poll(() => sorted(taken)).toEqual(range(0, 511));
  });
});

describe("whatever comes and goes, is killed and starts again", () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant("rotate" as const) }),
    fc.record({ do: fc.constant("fail" as const), end: fc.nat(3) }),
    fc.record({ do: fc.constant("mend" as const), end: fc.nat(3) }),
    fc.record({ do: fc.constant("turn" as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant("kill" as const) }),
  );

  it("every sink gets every event, none again that it had acknowledged, and each is counted once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 30 }),
        fc.integer({ min: 700, max: 5000 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 7 }),
        async (actions, capacity, turns) => {
          const source = new MemorySource();
          const ends = [
            makeEnd("archive", "oldest"),
            makeEnd("alerts", "newest"),
            makeEnd("hook", "newest"),
            makeEnd("shelf", "newest"),
          ];
          const counted = new Map<number, number>();
          const failures: Error[] = [];
          let worked = 0;
          const work = async () => {
            for (let i = turns[worked++ % turns.length]; i > 0; i--) await turn();
          };
          const begin = (saved: Saved) => Life.begin(state, source, ends, saved, counted, { capacity, work, failures });
          life = await begin(NOTHING);
          const places = new Map<number, { file: string; offset: number }>();
          const again: string[] = [];
          let written = 0;
          const append = (count: number) => {
            for (const number of range(written, written + count)) {
              places.set(number, { file: source.files.at(-1)!.ref.fingerprint, offset: source.length });
              source.append([auditLine(number)]);
            }
            written += count;
          };
          const acknowledged: (() => void)[] = [];
          for (const step of actions) {
            if (step.do === "append") append(step.count);
            else if (step.do === "rotate") source.rotate();
            else if (step.do === "fail") ends[step.end].reachable = false;
            else if (step.do === "mend") ends[step.end].reachable = true;
            else if (step.do === "turn") for (let i = 0; i < step.count; i++) await turn();
            else {
              const saved = life.save();
              await life.kill();
              for (const check of acknowledged.splice(0)) check();
              for (const end of ends) {
                const had = end.taken.length;
                const done = doneOf(source, saved.sinks.get(end.name)?.cursor, places);
                acknowledged.push(() => {
                  for (const number of end.taken.slice(had)) if (done.has(number)) again.push(`${end.name} ${number}`);
                });
              }
              life = await begin(saved);
            }
          }
          append(1);
          for (const end of ends) end.reachable = true;
          const shelf = life.shelves.get("shelf")!;
          for (const { name, taken } of ends) {
            const got = () => new Set(name === "shelf" ? shelf.numbers : taken).size;
            await expect.poll(got, { message: name }).toBe(written);
          }
          expect(sorted(shelf.numbers)).toEqual(range(0, written));
          for (const check of acknowledged) check();
          expect(again).toEqual([]);
          expect([...counted.values()].filter((count) => count !== 1)).toEqual([]);
          expect(counted.size).toBe(written);
          await life.kill();
          expect(failures).toEqual([]);
        },
      ),
      LONG ? { numRuns: 2000, interruptAfterTimeLimit: 100_000 } : { numRuns: 40 },
    );
  }, 120_000);
});

/** Numbers of the events that a cursor says are done. */
function doneOf(
  source: MemorySource,
  cursor: StoredCursor | undefined,
  places: ReadonlyMap<number, { file: string; offset: number }>,
): Set<number> {
  const done = new Set<number>();
  if (!cursor) return done;
  const ordinal = (file: string) => source.files.findIndex(({ ref }) => ref.fingerprint === file);
  for (const [number, { file, offset }] of places) {
    const order = ordinal(file) - ordinal(cursor.file) || offset - cursor.offset;
    const inRange = cursor.ranges?.some((range) => range.file === file && offset >= range.from && offset < range.to);
    if (order < 0 || inRange) done.add(number);
  }
  return done;
}
