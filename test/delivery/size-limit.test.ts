import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { DONE, type Request, retry, SizeLimit, type Verdict } from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";
import { FarEnd, quietHost } from "../support/far-end.js";

const MIB = 1024 ** 2;
const TIMEOUT = 30_000;

describe("how large requests are", () => {
  /** Ends requests one after the other, as `[bytes, ms, outcome]`; the limit after each. */
  function limits(...requests: [bytes: number, took: number, outcome: "taken" | "late" | "pushedBack"][]): number[] {
    const limit = new SizeLimit(4 * MIB);
    let now = 0;
    return requests.map(([bytes, took, outcome]) => {
      const sent = now;
      now += took;
      limit.ended(bytes, sent, now, outcome);
      return limit.current;
    });
  }

  it("is half of what was late twice in a row: once may be a far end that has it all, and is slow to say so", () => {
    expect(limits([MIB, TIMEOUT, "late"], [MIB, TIMEOUT, "late"])).toEqual([4 * MIB, MIB / 2]);
    expect(limits([MIB, TIMEOUT, "late"], [MIB, 10, "taken"], [MIB, TIMEOUT, "late"]).at(-1)).toBe(4 * MIB);
  });

  it("is half of what is late each time where not even less gets through", () => {
    const late: [number, number, "late"] = [1000, TIMEOUT, "late"];
    expect(limits(late, late, [500, TIMEOUT, "late"], [1300, TIMEOUT, "late"])).toEqual([4 * MIB, 500, 250, 125]);
  });

  it("is halved once for all requests that were on their way together", () => {
    const limit = new SizeLimit(4 * MIB);
    limit.ended(4 * MIB, 0, TIMEOUT, "late");
    for (const sent of [40_000, 40_010, 40_020]) limit.ended(4 * MIB, sent, sent + TIMEOUT, "late");
    expect(limit.current).toBe(2 * MIB);
  });

  it("is soon what it was when answers come quickly again, a little more each time when they do not, and never more", () => {
    const late: [number, number, "late"] = [MIB, TIMEOUT, "late"];
    const quick: [number, number, "taken"] = [4 * MIB, 100, "taken"];
    expect(limits(late, late, quick, quick, quick, quick).slice(1)).toEqual([0.5, 1, 2, 4, 4].map((n) => n * MIB));
    expect(limits(late, late, [MIB / 2, 10_000, "taken"]).at(-1)).toBe((MIB / 2) * (17 / 16));
  });

  it("is no more for requests that are smaller anyway, nor for answers that say nothing of time", () => {
    const late: [number, number, "late"] = [MIB, TIMEOUT, "late"];
    expect(limits(late, late, [MIB / 8, 10, "taken"], [MIB / 2, 10, "pushedBack"]).slice(1)).toEqual([
      MIB / 2,
      MIB / 2,
      MIB / 2,
    ]);
  });
});

describe("a sink behind a slow link", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  /** A far end that keeps what arrives in time, and what it was sent in vain. */
  class SlowLink extends FarEnd {
    readonly taken: number[] = [];
    readonly late: number[] = [];
    readonly sizes: number[] = [];

    constructor(
      /** Bytes per second. */
      public speed: number,
    ) {
      super();
    }

    override async send(request: Request): Promise<Verdict> {
      const { body, encoding } = request;
      const plain = encoding === "gzip" ? gunzipSync(body) : Buffer.from(body);
      const numbers = [...plain.toString().matchAll(/"auditID":"[0-9-]*?(\d{12})"/g)].map(([, number]) =>
        Number(number),
      );
      this.requests.push(numbers);
      return this.#carry(request, numbers);
    }

    async #carry({ body }: Request, numbers: number[]): Promise<Verdict> {
      const takes = (body.length / this.speed) * 1000;
      await sleep(Math.min(takes, TIMEOUT));
      if (takes > TIMEOUT) {
        this.late.push(body.length);
        throw new DOMException("no complete answer within 30 s", "TimeoutError");
      }
      this.taken.push(...numbers);
      this.sizes.push(body.length);
      return DONE;
    }
  }

  function run(sink: FarEnd, compression: "gzip" | "none", stallAfter: number) {
    const gauges = new Map<string, number>();
    const quiet = quietHost("archive");
    const set = (name: string, value: number) => void gauges.set(name, value);
    const runner = new SendingRunner(
      sink,
      { ...quiet, meter: { ...quiet.meter, set } },
      {
        request: { maxBytes: 256 * 1024, maxEvents: 5000, maxWait: 20 },
        retry: { initial: 500, max: 30_000, slow: 60_000 },
        concurrency: sink.ordered ? 1 : 4,
        memory: 32 * MIB,
        compression,
        stallAfter,
        select: () => true,
      },
      { deadLetters: { ready: async () => {} } as DeadLetters, viewLetter: () => undefined },
      () => 0.5,
    );
    const ledger = new Ledger();
    runner.addLedger(ledger);
    return { runner, ledger, limit: () => gauges.get("auditship_sink_request_limit_bytes") };
  }

  /** Waits in simulated time. */
  async function until<Value>(promise: Promise<Value>): Promise<Value> {
    let over = false;
    void promise.finally(() => {
      over = true;
    });
    while (!over) await vi.advanceTimersByTimeAsync(1000);
    return promise;
  }

  const numbered = (count: number) => Array.from({ length: count }, (_, number) => number);
  /** At most 4,096: those of one batch. */
  const lines = (count: number) => numbered(count).map((number) => auditLine(number));

  it.each(["none", "gzip"] as const)(
    "gets through, in order, with little in vain (%s), and grows again",
    async (compression) => {
      // 1,000 events are 500 KB, and in gzip 30 KB.
      const sink = new SlowLink(compression === "gzip" ? 100 : 1000);
      const { runner, ledger, limit } = run(sink, compression, 3_600_000);
      const batch = batchOf(lines(1000));
      const offered = runner.offer(batch, ledger, true);
      await until(offered.then(() => runner.drain()));
      expect(sink.taken).toEqual(numbered(1000));
      expect(ledger.cursor).toEqual(batch.end);
      // Some to find out, then one in five at most.
      expect(sink.late.length).toBeLessThan(6 + sink.sizes.length / 4);
      expect(limit()).toBeLessThan(256 * 1024);

      sink.speed = 100 * MIB;
      const more = batchOf(lines(2500), batch.end.offset);
      await until(runner.offer(more, ledger, true).then(() => runner.drain()));
      expect(limit()).toBe(256 * 1024);
      expect(Math.max(...sink.requests.slice(-20).map(({ length }) => length))).toBeGreaterThan(400);
    },
  );

  it("goes on one by one where no two events get through in time", async () => {
    const sink = new SlowLink(20);
    const { runner, ledger } = run(sink, "none", 3_600_000);
    await until(runner.offer(batchOf(lines(12)), ledger, true).then(() => runner.drain()));
    expect(sink.taken).toEqual(numbered(12));
    expect(sink.requests.at(-1)).toHaveLength(1);
  });

  it("gets through also where it parks each time that it is late: it comes back with smaller requests", async () => {
    const sink = new SlowLink(1000);
    const { runner, ledger } = run(sink, "none", 2000);
    const all = lines(4000);
    let parked = 0;
    const deliver = async () => {
      for (let offset = 0; ; offset = ledger.cursor!.offset) {
        const batch = batchOf(all.slice(offset / (all[0].length + 1)), offset);
        if (await runner.offer(batch, ledger, true)) break;
        const ready = new Promise<void>((resolve) => {
          runner.onReady = resolve;
        });
        parked++;
        runner.park("late");
        await ready;
      }
      while (ledger.busy) await runner.drain();
    };
    await until(deliver());
    expect(parked).toBeGreaterThan(2);
    expect(sink.taken.toSorted((a, b) => a - b)).toEqual(numbered(4000));
  });

  it.each([
    ["is late by the far end's clock (408, 504)", async () => ({ ...retry("late"), late: true })],
    ["throws a TimeoutError", () => Promise.reject(new DOMException("late", "TimeoutError"))],
  ])("sends less after what %s, and after no other failure", async (_, late) => {
    const sink = new FarEnd();
    let failures = 6;
    sink.answer = () => (failures-- > 0 ? Promise.reject(new Error("connection closed")) : DONE);
    const { runner, ledger } = run(sink, "none", 3_600_000);
    const first = batchOf(lines(100));
    await until(runner.offer(first, ledger, true).then(() => runner.drain()));
    expect(new Set(sink.requests.map(({ length }) => length))).toEqual(new Set([100]));
    sink.answer = (_, numbers) => (numbers.length > 30 ? late() : DONE);
    sink.requests.length = 0;
    await until(runner.offer(batchOf(lines(100), first.end.offset), ledger, true).then(() => runner.drain()));
    expect(sink.requests.map(({ length }) => length)).toEqual([100, 100, 50, 25, 25, 50, 25, 25]);
  });
});
