import fc from "fast-check";
import { expect, it } from "vitest";
import type { DeadLetter } from "../../src/delivery/dead-letter-file.js";
import type { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import {
  DONE,
  DUPLICATE,
  type Request,
  reject,
  retry,
  retrySlowly,
  split,
  type Verdict,
} from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";
import { FarEnd, numberOf, quietHost } from "../support/far-end.js";
import { LentMemory } from "../support/lent-memory.js";

/** What a far end says of one event, until the last of it, which it stands by. */
interface Script {
  before: ("busy" | "slow")[];
  last: "done" | "duplicate" | "refused" | "refused unless safe";
}

/** What it does to a whole request, instead of looking at its events. */
type Whim = "none" | "split" | "busy" | "cut" | "cut after taking it" | "nonsense";

const scripts = fc.array(
  fc.record<Script>({
    before: fc.array(fc.constantFrom("busy", "slow"), { maxLength: 3 }),
    last: fc.oneof(
      { weight: 6, arbitrary: fc.constant("done" as const) },
      fc.constantFrom("duplicate", "refused", "refused unless safe"),
    ),
  }),
  { minLength: 1, maxLength: 40 },
);

const scenarios = fc.record({
  scripts,
  whims: fc.array(fc.constantFrom<Whim>("none", "split", "busy", "cut", "cut after taking it", "nonsense"), {
    maxLength: 30,
  }),
  /** Events of each line: more than one is an EventList. */
  lines: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 40, maxLength: 40 }),
  maxEvents: fc.integer({ min: 1, max: 8 }),
  concurrency: fc.integer({ min: 1, max: 4 }),
  compression: fc.constantFrom<"gzip" | "none">("gzip", "none"),
});

/** A far end that follows its scripts, and notes what it took and for good refused. */
class ScriptedFarEnd extends FarEnd {
  override readonly ordered = false as true;
  /** How often each event's fate was told. */
  readonly fates = new Map<number, Verdict["kind"][]>();
  /** Called before each answer, and before letters are kept. */
  onAsked = () => {};
  readonly #scripts: Script[];
  readonly #whims: Whim[];

  constructor(scripts: readonly Script[], whims: readonly Whim[]) {
    super();
    this.#scripts = scripts.map(({ before, last }) => ({ before: [...before], last }));
    this.#whims = [...whims];
    this.encodeSafe = (event, _reason, out) => {
      out.text(`{"auditID":"${String(numberOf(event.batch.bytes)).padStart(12, "0")}","safe":true}\n`);
    };
    this.answer = (request, numbers) => this.#follow(request, numbers);
  }

  async #follow(request: Request, numbers: number[]): Promise<Verdict | Verdict[]> {
    this.onAsked();
    await new Promise(setImmediate);
    const whim = this.#whims.shift() ?? "none";
    if (whim === "split" && numbers.length > 1) return split("too large (413)");
    if (whim === "busy") return retry("busy (429)", 1);
    if (whim === "nonsense") return [DONE, ...numbers.map(() => DONE)];
    if (whim === "cut") throw new Error("connection closed");
    const verdicts = numbers.map((number, index) => this.#say(number, request.item(index), whim));
    if (whim === "cut after taking it") throw new Error("connection closed");
    return verdicts;
  }

  #say(number: number, item: Uint8Array, whim: Whim): Verdict {
    const script = this.#scripts[number];
    const next = script.before.shift();
    if (next) return next === "busy" ? retry("busy (429)") : retrySlowly("no right (403)");
    if (whim === "cut after taking it") {
      if (script.last === "done") script.last = "duplicate";
      return DONE;
    }
    const isSafe = Buffer.from(item).includes('"safe":true');
    const refused = script.last === "refused" || (script.last === "refused unless safe" && !isSafe);
    const verdict = refused ? reject("mapping (400)") : script.last === "duplicate" ? DUPLICATE : DONE;
    if (!refused || isSafe) this.fates.set(number, [...(this.fates.get(number) ?? []), verdict.kind]);
    return verdict;
  }
}

/** Lines of one or more events each, with the numbers of their events. */
function makeLines(count: number, sizes: readonly number[]): { text: string; numbers: number[] }[] {
  const lines: { text: string; numbers: number[] }[] = [];
  for (let next = 0; next < count; ) {
    const size = Math.min(sizes[lines.length], count - next);
    const numbers = Array.from({ length: size }, (_, index) => next + index);
    const items = numbers.map((number) => auditLine(number));
    lines.push({ text: size === 1 ? items[0] : `{"kind":"EventList","items":[${items}]}`, numbers });
    next += size;
  }
  return lines;
}

it("whatever a far end answers, every event ends once, as delivered or as a dead letter, and whole lines are acknowledged", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async ({ scripts, whims, lines: sizes, maxEvents, concurrency, compression }) => {
      const farEnd = new ScriptedFarEnd(scripts, whims);
      const letters: DeadLetter[] = [];
      const add = async (more: DeadLetter[]) => {
        await new Promise(setImmediate);
        farEnd.onAsked();
        letters.push(...more);
      };
      const bodies = new LentMemory();
      const deadLetters = { add } as unknown as DeadLetters;
      const runner = new SendingRunner(
        farEnd,
        quietHost("archive"),
        {
          request: { maxBytes: 1 << 20, maxEvents, maxWait: 1 },
          retry: { initial: 1, max: 2, slow: 2 },
          concurrency,
          memory: 32 << 20,
          compression,
          stallAfter: 60_000,
          select: () => true,
        },
        { deadLetters, viewLetter: ({ line }) => batchOf([line]).at(0), bodies },
      );
      const ledger = new Ledger();
      runner.addLedger(ledger);

      const lines = makeLines(scripts.length, sizes);
      const isOver = (number: number) =>
        scripts[number].last === "refused"
          ? letters.some(({ line }) => numberOf(Buffer.from(line)) === number)
          : farEnd.fates.has(number);
      farEnd.onAsked = () => {
        const stored = ledger.stored();
        let start = 0;
        for (const { text, numbers } of lines) {
          const end = start + text.length + 1;
          const past = stored !== undefined && stored.offset >= end;
          const ranged = stored?.ranges?.some(({ from, to }) => from <= start && to >= end);
          if (past || ranged) expect(numbers.filter((number) => !isOver(number))).toEqual([]);
          for (const edge of [stored?.offset ?? 0, ...(stored?.ranges ?? []).flatMap(({ from, to }) => [from, to])]) {
            expect(edge > start && edge < end).toBe(false);
          }
          start = end;
        }
      };

      const half = Math.ceil(lines.length / 2);
      const first = batchOf(lines.slice(0, half).map(({ text }) => text));
      const second = batchOf(
        lines.slice(half).map(({ text }) => text),
        first.end.offset,
      );
      for (const batch of [first, second])
        if (batch.count > 0) expect(await runner.offer(batch, ledger, true)).toBe(true);
      await runner.drain();
      await expect.poll(() => ledger.busy, { interval: 1 }).toBe(false);

      expect(ledger.cursor).toEqual(second.count > 0 ? second.end : first.end);
      expect(ledger.ranges()).toEqual([]);
      const dead = letters.map(({ line }) => numberOf(Buffer.from(line))).toSorted((a, b) => a - b);
      expect(dead).toEqual(scripts.flatMap(({ last }, number) => (last === "refused" ? [number] : [])));
      for (const [number, { last }] of scripts.entries()) {
        const told = farEnd.fates.get(number);
        if (last === "refused") expect(told).toEqual(["reject"]);
        else expect(told).toHaveLength(1);
      }
      runner.close();
      await expect.poll(() => bodies.out.size, { interval: 1 }).toBe(0);
    }),
    { numRuns: 40 },
  );
});
