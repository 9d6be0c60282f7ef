import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { DONE, retry, type Verdict } from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";
import { FarEnd, quietHost } from "../support/far-end.js";

/** How a simulated far end answers; times in seconds. */
interface Link {
  /** Time of an answer when nothing else is on its way. */
  delay: number;
  /** Mean of what is added to it at random (exponential), as a part of it. */
  jitter?: number;
  /** What each further request on its way adds, as a part of `delay`. */
  scale?: number;
  /** Above so many on their way answers take `base` times as long for each one more. */
  knee?: { start: number; base: number };
  /** Above so many on their way, or in the last second, requests are refused (429) or never answered. */
  limit?: number;
  limitPerSecond?: number;
  refuses?: "defer" | "drop";
  /** Refuses so many requests after the first two. */
  failures?: number;
}

/** Bounds of a value over time. */
interface Expected {
  max?: [number, number];
  mean?: [number, number];
  mode?: [number, number];
}

interface Case {
  name: string;
  requests: number;
  /** Seconds between two requests. */
  interval?: number;
  link: Link;
  /** Requests on their way, as the far end sees it. */
  inFlight: Expected;
  perSecond?: Expected;
  limit?: Expected;
  /** Longest and mean time of an answer, seconds. */
  took?: Expected;
}

/**
 * The cases and their bounds are those of the simulator that Vector holds its controller against
 * (github.com/vectordotdev/vector, tests/data/adaptive-concurrency and src/sinks/util/adaptive_concurrency/tests.rs, MPL-2.0),
 * as figures: each request is one event, a request that is never answered is given up after a second.
 */
const CASES: Case[] = [
  {
    name: "a constant link: the limit goes up and up",
    requests: 500,
    link: { delay: 0.1 },
    inFlight: { max: [30, 31], mean: [15, 16] },
    limit: { max: [22, 32], mean: [16, 18] },
    took: { max: [0.1, 0.102], mean: [0.1, 0.102] },
  },
  {
    name: "a link that slows down with each request: it stays low",
    requests: 200,
    link: { delay: 0.1, scale: 1 },
    inFlight: { max: [2, 7], mode: [2, 5], mean: [1.5, 5] },
    limit: { mode: [2, 5], mean: [1.7, 5] },
    took: { mean: [0.1, 0.45] },
  },
  {
    name: "a link that slows down above ten: it stays there",
    requests: 1000,
    link: { delay: 0.1, knee: { start: 10, base: 1.1 } },
    inFlight: { max: [12, 14], mode: [9, 12], mean: [9, 11] },
    perSecond: { max: [103, 108], mean: [87, 90] },
    // Vector's: at most 12; its limit is looked at a little later than ours.
    limit: { max: [12, 14], mode: [9, 12], mean: [10, 12] },
    took: { max: [0.1, 0.147], mean: [0.106, 0.12] },
  },
  {
    name: "a jittery link: it varies, and reaches high values",
    requests: 1000,
    link: { delay: 0.1, jitter: 0.1 },
    inFlight: { max: [20, 40], mean: [8, 20] },
    perSecond: { max: [165, 350], mean: [70, 150] },
    limit: { max: [20, 40], mean: [9, 20] },
    took: { mean: [0.1, 0.13] },
  },
  {
    name: "drops at high concurrency",
    requests: 500,
    link: { delay: 0.1, limit: 5, refuses: "drop" },
    inFlight: { max: [4, 5], mode: [3, 5], mean: [3, 4] },
    perSecond: { max: [55, 90], mean: [31, 54] },
  },
  {
    name: "defers at high concurrency",
    requests: 500,
    link: { delay: 0.1, limit: 5, refuses: "defer" },
    inFlight: { max: [5, 18], mode: [0, 6], mean: [2.2, 5] },
    perSecond: { max: [52, 63], mean: [20, 44] },
  },
  {
    name: "defers at a high rate",
    requests: 1000,
    link: { delay: 0.1, limitPerSecond: 100, refuses: "defer" },
    inFlight: { max: [16, 24], mean: [6, 9] },
    perSecond: { max: [90, 123], mean: [31, 75] },
  },
  {
    name: "requests that come at half the link's speed: one at a time",
    requests: 100,
    interval: 0.1,
    link: { delay: 0.05 },
    inFlight: { max: [1, 1], mode: [1, 1], mean: [0.5, 0.55] },
    limit: { mode: [1, 2], mean: [1, 2] },
    took: { mean: [0.05, 0.052] },
  },
  {
    name: "requests that come at the link's speed",
    requests: 100,
    interval: 0.05,
    link: { delay: 0.05 },
    inFlight: { max: [1, 2], mode: [1, 1], mean: [1, 1.2] },
    // Vector's mean: 2.5, for its answers take no time to arrive: two are hardly ever on their way.
    limit: { mode: [2, 3], mean: [2, 3] },
    took: { mean: [0.05, 0.052] },
  },
  {
    name: "requests that come at four times the link's speed: four at a time",
    requests: 500,
    interval: 0.025,
    link: { delay: 0.1 },
    inFlight: { max: [8, 8], mode: [4, 5], mean: [4, 4.5] },
    limit: { max: [9, 9] },
    took: { max: [0.1, 0.102] },
  },
];

/** A value over time: each level weighs as long as it lasted. */
class Levels {
  #since: number | undefined;
  #level = 0;
  readonly #seconds: number[] = [];

  set(level: number, now: number): void {
    if (this.#since !== undefined) this.#seconds[this.#level] = (this.#seconds[this.#level] ?? 0) + now - this.#since;
    this.#since = now;
    this.#level = level;
  }

  /** Forgets what was until now: the time before the first answer tells nothing. */
  begin(): void {
    this.#since = undefined;
  }

  summary(): { max: number; mean: number; mode: number } {
    const levels = this.#seconds.map((seconds = 0, level) => ({ level, seconds })).filter(({ seconds }) => seconds > 0);
    const total = levels.reduce((sum, { seconds }) => sum + seconds, 0);
    return {
      max: levels.at(-1)!.level,
      mean: levels.reduce((sum, { level, seconds }) => sum + level * seconds, 0) / total,
      mode: levels.reduce((a, b) => (b.seconds >= a.seconds ? b : a)).level,
    };
  }
}

/** The same "random" numbers in each run (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A far end behind a link, in simulated time, and what it saw. */
class SimulatedFarEnd extends FarEnd {
  override readonly ordered = false as true;
  readonly inFlight = new Levels();
  readonly perSecond = new Levels();
  readonly took: number[] = [];
  completed = 0;
  #now = 0;
  #recent: number[] = [];
  #failures: number;

  constructor(
    readonly link: Link,
    readonly random: () => number,
  ) {
    super();
    this.#failures = link.failures ?? 0;
    this.answer = () => this.#answer();
  }

  async #answer(): Promise<Verdict> {
    this.#recent.push(performance.now());
    this.#move(1);
    const { limit = Number.POSITIVE_INFINITY, limitPerSecond = Number.POSITIVE_INFINITY, refuses } = this.link;
    const failing = this.completed >= 2 && this.#failures-- > 0;
    const refused = failing || this.#now > limit || this.#recent.length > limitPerSecond;
    if (refused && refuses === "drop") {
      this.#move(-1);
      await sleep(1);
      throw new Error("no complete answer within 1 s");
    }
    const seconds = refused ? this.#delay(1) : this.#delay(this.#now);
    await sleep(seconds);
    this.#move(-1);
    await sleep(WAY_BACK);
    if (refused) return retry("busy (429)");
    this.took.push(seconds);
    this.completed++;
    return DONE;
  }

  #delay(inFlight: number): number {
    const { delay, jitter = 0, scale = 0, knee } = this.link;
    const bend = knee ? knee.base ** Math.max(0, inFlight - knee.start) - 1 : 0;
    return delay * (1 + jitter * -Math.log(1 - this.random()) + scale * (inFlight - 1) + bend);
  }

  #move(by: number): void {
    const now = performance.now();
    this.#now += by;
    this.inFlight.set(this.#now, now / 1000);
    this.#recent = this.#recent.filter((at) => at > now - 1000);
    this.perSecond.set(this.#recent.length, now / 1000);
  }
}

/** Seconds that an answer takes to arrive: what ends at one time at the far end has ended before anything new comes. */
const WAY_BACK = 0.001;

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function simulate(
  { requests, interval = 0, link }: Pick<Case, "requests" | "interval" | "link">,
  concurrency = 200,
) {
  const random = numbersFrom(42);
  const farEnd = new SimulatedFarEnd(link, random);
  const limit = new Levels();
  const quiet = quietHost("archive");
  const set = (name: string, value: number) => {
    if (name === "auditship_sink_concurrency_limit") limit.set(value, performance.now() / 1000);
  };
  const observed: number[] = [];
  const observe = (_: string, seconds: number) => observed.push(seconds);
  const runner = new SendingRunner(
    farEnd,
    { ...quiet, meter: { ...quiet.meter, set, observe } },
    {
      request: { maxBytes: 64 * 1024, maxEvents: 1, maxWait: 0 },
      retry: { initial: 500, max: 30_000, slow: 60_000 },
      concurrency,
      memory: 1 << 30,
      compression: "none",
      stallAfter: 3_600_000,
      select: () => true,
    },
    { deadLetters: undefined as unknown as DeadLetters, viewLetter: () => undefined },
    random,
  );
  const ledger = new Ledger();
  runner.addLedger(ledger);
  const lines = Array.from({ length: requests }, (_, number) => auditLine(number));
  const produce = async () => {
    for (const [at, line] of lines.entries()) {
      await sleep(Math.max(0, at * interval - (performance.now() - started) / 1000));
      await runner.offer(batchOf([line], at * 1000), ledger, true);
    }
  };
  const started = performance.now();
  if (interval === 0) void runner.offer(batchOf(lines), ledger, true);
  else void produce();
  limit.begin();
  while (farEnd.completed < requests) await vi.advanceTimersByTimeAsync(1000);
  await runner.drain();
  runner.close();
  return { farEnd, observed, limit: limit.summary() };
}

function within(
  bounds: Expected | undefined,
  actual: { max: number; mean: number; mode?: number },
  what: string,
): void {
  for (const [name, [least, most]] of Object.entries(bounds ?? {}) as [keyof Expected, [number, number]][]) {
    // An answer's way back is a hundredth of its time.
    expect(actual[name], `${what} ${name}`).toBeGreaterThanOrEqual(least * 0.99);
    expect(actual[name], `${what} ${name}`).toBeLessThanOrEqual(most * 1.01);
  }
}

describe("concurrency that adapts", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(CASES)("$name", async (simulated) => {
    const { farEnd, limit } = await simulate(simulated);
    const mean = farEnd.took.reduce((sum, seconds) => sum + seconds, 0) / farEnd.took.length;
    within(simulated.inFlight, farEnd.inFlight.summary(), "in flight");
    within(simulated.perSecond, farEnd.perSecond.summary(), "per second");
    within(simulated.limit, limit, "limit");
    within(simulated.took, { max: Math.max(...farEnd.took), mean }, "took");
  });

  it("never passes its bound, however fast the far end is", async () => {
    const { farEnd, limit } = await simulate({ requests: 500, link: { delay: 0.1 } }, 10);
    expect(farEnd.inFlight.summary().max).toBe(10);
    expect(limit.max).toBe(10);
  });

  it("takes the time of each attempt, not of a request with its retries and their backoff", async () => {
    const { observed } = await simulate({ requests: 20, link: { delay: 0.1, failures: 5 } }, 1);
    expect(observed).toHaveLength(25);
    expect(Math.min(...observed)).toBeGreaterThanOrEqual(0.1);
    expect(Math.max(...observed)).toBeLessThanOrEqual(0.102);
  });
});
