import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AlertmanagerSink } from "../../plugins/sinks/alertmanager.js";
import type { HttpAnswer, HttpClient, HttpRequest, SinkState } from "../../src/plugin/index.js";
import { events, match, testHost } from "./support.js";

const NOW = Date.parse("2026-11-21T10:00:00Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const RESOLVE_AFTER = 5 * MINUTE;
const RESEND_EVERY = MINUTE;
/** Milliseconds that an answer, a backoff and the next look at the table may delay what is sent. */
const SLACK = 40 * SECOND;

/** An alert as it was taken; matches by their numbers among those of its user. */
interface Taken {
  at: number;
  user: string;
  first: number;
  last: number;
  count: number;
  endsAt: number;
  /** The agent has on disk that it was. */
  isKnown: boolean;
}

type Mood = "up" | "down" | "busy" | "silent" | "refusing" | "lost answers";

/** Refuses a request with this user's alert, where it refuses any. */
const BAD = "user-0";

/** An Alertmanager on a network: it outlives agents. */
class Alertmanager {
  mood: Mood = "up";
  /** Milliseconds to an answer. */
  late = 5;
  readonly taken: Taken[] = [];
  /** By user, what it has in memory. */
  readonly held = new Map<string, Taken>();

  forget(): void {
    this.held.clear();
  }

  /** What it does with a request; a status, or undefined for none. */
  post(body: string): number | undefined {
    if (this.mood === "down") throw new Error("connection refused");
    if (this.mood === "silent") return undefined;
    if (this.mood === "busy") return 503;
    const alerts = (JSON.parse(body) as Parameters<typeof takenOf>[0][]).map(takenOf);
    const isBad = ({ user }: Taken) => this.mood === "refusing" && user === BAD;
    for (const alert of alerts.filter((one) => !isBad(one))) {
      this.taken.push(alert);
      this.held.set(alert.user, alert);
    }
    if (this.mood === "lost answers") return undefined;
    return alerts.some(isBad) ? 400 : 200;
  }
}

function takenOf(sent: { labels: { user: string }; annotations: Record<string, string>; endsAt: string }): Taken {
  const { count, firstAuditID, lastAuditID } = sent.annotations;
  const number = (id: string) => Number(id.split("/")[1]);
  return {
    at: Date.now(),
    user: sent.labels.user,
    first: number(firstAuditID),
    last: number(lastAuditID),
    count: Number(count),
    endsAt: Date.parse(sent.endsAt),
    isKnown: false,
  };
}

/** An agent's connection to one: after the agent's end nothing goes over it any more. */
class Connection implements HttpClient {
  cut = false;
  /** What the agent was told that it was taken, and has not written down. */
  readonly answered: Taken[] = [];
  constructor(private readonly peer: Alertmanager) {}

  async request({ body, signal }: HttpRequest): Promise<HttpAnswer> {
    if (this.cut) return NEVER;
    const before = this.peer.taken.length;
    const status = this.peer.post(String(body));
    const taken = this.peer.taken.slice(before);
    await sleep(status === undefined ? 5 * SECOND : this.peer.late, signal!);
    if (this.cut) return NEVER;
    if (status === undefined) throw new DOMException("no complete answer within 5 s", "TimeoutError");
    if (status === 200) this.answered.push(...taken);
    return { status, headers: {}, body: new Uint8Array(), truncated: false, url: "http://am:9093" };
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new Error("stopped"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}

const NEVER = new Promise<never>(() => {});

/** A match as it stands in the log. */
interface Logged {
  user: string;
  number: number;
  time: number;
}

/** A log, the agent that reads it and keeps its place with the alerts, and two Alertmanagers. */
class World {
  readonly peers = [new Alertmanager(), new Alertmanager()];
  readonly log: Logged[] = [];
  /** When a match was folded first and last, by user and number. */
  readonly begun = new Map<string, number>();
  readonly folded = new Map<string, number>();
  #counts = new Map<string, number>();
  #saved: { state?: SinkState; place: number } = { place: 0 };
  #place = 0;
  #sink: AlertmanagerSink | undefined;
  #connections: Connection[] = [];
  #checkpoint: NodeJS.Timeout | undefined;

  get state(): SinkState {
    return this.#sink!.state();
  }

  start(): void {
    if (this.#sink) return;
    this.#connections = this.peers.map((peer) => new Connection(peer));
    const sink = new AlertmanagerSink(
      {
        labels: {},
        maxAge: 24 * 60 * MINUTE,
        resolveAfter: RESOLVE_AFTER,
        resendEvery: RESEND_EVERY,
        maxAlerts: 1000,
        format: "native",
      },
      testHost(),
      this.#connections,
    );
    sink.restore(this.#saved.state);
    sink.onChange = () => this.#saveSoon();
    this.#sink = sink;
    this.#place = this.#saved.place;
    this.#read();
  }

  /** kill -9: what was not written down is lost. */
  kill(): void {
    for (const connection of this.#connections) connection.cut = true;
    clearTimeout(this.#checkpoint);
    this.#checkpoint = undefined;
    if (this.#sink) this.#sink.onChange = undefined;
    this.#sink = undefined;
  }

  async stop(): Promise<void> {
    if (!this.#sink) return;
    this.#save();
    this.#sink.onChange = undefined;
    const closing = this.#sink.close();
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    await closing;
    this.kill();
  }

  write(user: string, count: number): void {
    for (let i = 0; i < count; i++) {
      const number = this.#counts.get(user) ?? 0;
      this.#counts.set(user, number + 1);
      this.log.push({ user, number, time: Date.now() });
    }
    this.#read();
  }

  #read(): void {
    if (!this.#sink || this.#place === this.log.length) return;
    const fresh = this.log.slice(this.#place);
    this.#place = this.log.length;
    const { batch, selection } = events(...fresh.map(auditEvent));
    for (let row = 0; row < batch.count; row++) batch.addMatch(row, match());
    this.#sink.fold(selection);
    for (const { user, number } of fresh) {
      const name = `${user}/${number}`;
      if (!this.begun.has(name)) this.begun.set(name, Date.now());
      this.folded.set(name, Date.now());
    }
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#checkpoint ??= setTimeout(() => this.#save(), 250);
  }

  #save(): void {
    clearTimeout(this.#checkpoint);
    this.#checkpoint = undefined;
    for (const { answered } of this.#connections) for (const taken of answered.splice(0)) taken.isKnown = true;
    this.#saved = { state: JSON.parse(JSON.stringify(this.#sink!.state())), place: this.#place };
  }
}

const auditEvent = ({ user, number, time }: Logged) => ({
  kind: "Event",
  level: "Metadata",
  auditID: `${user}/${number}`,
  stage: "ResponseComplete",
  requestURI: "/api/v1/secrets",
  verb: "list",
  user: { username: user },
  requestReceivedTimestamp: new Date(time).toISOString(),
  stageTimestamp: new Date(time).toISOString(),
});

type Step =
  | { do: "write"; user: string; count: number }
  | { do: "wait"; ms: number }
  | { do: "kill" | "stop" | "start" }
  | { do: "forget"; peer: number }
  | { do: "mood"; peer: number; mood: Mood; late: number };

const peer = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      user: fc.nat({ max: 2 }).map((n) => `user-${n}`),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.constantFrom(10, 25, 100, 300, SECOND), fc.integer({ min: 1, max: 12 * MINUTE })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("kill" as const, "stop" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("start" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forget" as const), peer }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("mood" as const),
      peer,
      late: fc.constantFrom(5, 500, 3000),
      mood: fc.constantFrom<Mood>("up", "up", "down", "busy", "silent", "refusing", "lost answers"),
    }),
  },
);

async function play(steps: readonly Step[]): Promise<World> {
  const world = new World();
  world.start();
  for (const step of steps) {
    if (step.do === "write") world.write(step.user, step.count);
    else if (step.do === "wait") await vi.advanceTimersByTimeAsync(step.ms);
    else if (step.do === "mood") Object.assign(world.peers[step.peer], { mood: step.mood, late: step.late });
    else if (step.do === "forget") world.peers[step.peer].forget();
    else await world[step.do]();
  }
  return world;
}

/** Everything that was ever told is true: it counts what came, and nothing fires that has ended. */
function expectTrue({ peers, begun, folded }: World): void {
  const all = peers.flatMap(({ taken }) => taken).sort((a, b) => a.at - b.at);
  /** When it was known of each match, as the last one of its alert, that it had been told of. */
  const known = new Map<string, number>();
  for (const alert of all) {
    const { at, user, first, last, count, endsAt, isKnown } = alert;
    const nameOf = (number: number) => `${user}/${number}`;
    const endAfter = (number: number) =>
      Math.max(folded.get(nameOf(number))!, known.get(nameOf(number)) ?? Number.POSITIVE_INFINITY) +
      RESOLVE_AFTER +
      SLACK;
    expect(count, JSON.stringify(alert)).toBe(last - first + 1);
    for (let next = first + 1; next <= last; next++)
      expect(begun.get(nameOf(next)), `${JSON.stringify(alert)} has ended before ${next}`).toBeLessThan(
        endAfter(next - 1),
      );
    if (endsAt > at) expect(at, `${JSON.stringify(alert)} has ended`).toBeLessThan(endAfter(last));
    if (isKnown && !known.has(nameOf(last))) known.set(nameOf(last), at);
  }
}

/** Every match was told of by somebody. */
function expectAll({ peers, log }: World): void {
  const all = peers.flatMap(({ taken }) => taken);
  const missed = log.filter(
    ({ user, number }) => !all.some((one) => one.user === user && one.first <= number && number <= one.last),
  );
  expect(missed.filter(({ user }) => user !== BAD)).toEqual([]);
}

/** Every match of late is in an alert that both hold. */
function expectActive({ peers, folded }: World): void {
  const now = Date.now();
  const last = new Map<string, number>();
  for (const [name, at] of folded) {
    const [user, number] = name.split("/");
    if (at + RESOLVE_AFTER > now + SECOND) last.set(user, Math.max(last.get(user) ?? 0, Number(number)));
  }
  for (const { held } of peers) {
    for (const [user, number] of last) {
      expect(held.get(user), user).toMatchObject({ last: number });
      expect(held.get(user)!.endsAt).toBeGreaterThan(now);
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

it("Whatever Alertmanagers and agents do, every match is told of, with its count, and no alert fires that has ended", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      vi.setSystemTime(NOW);
      vi.clearAllTimers();
      const world = await play(steps);
      for (const peer of world.peers) Object.assign(peer, { mood: "up", late: 5 });
      world.start();
      await vi.advanceTimersByTimeAsync(2 * MINUTE);
      expectActive(world);
      expectTrue(world);
      expectAll(world);
      await vi.advanceTimersByTimeAsync(30 * MINUTE);
      expect(world.state.alerts).toEqual([]);
      for (const { held } of world.peers)
        for (const { endsAt } of held.values()) expect(endsAt).toBeLessThan(Date.now());
      expectTrue(world);
      expect(vi.getTimerCount()).toBe(0);
    }),
    { numRuns: 100 },
  );
});
