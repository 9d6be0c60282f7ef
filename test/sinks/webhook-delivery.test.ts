import fc from "fast-check";
import { expect, test } from "vitest";
import type { DeadLetter } from "../../src/delivery/dead-letter-file.js";
import type { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import type { SendingSink } from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";
import { numberOf, quietHost } from "../support/far-end.js";
import { match } from "./support.js";
import { type Answer, receiver, sink } from "./webhook-receiver.js";

/** What a receiver does to a request before it looks at what is in it: most often nothing. */
const whims = fc.array(fc.constantFrom("none", "none", 503, 429, 408, "reset"), { maxLength: 30 });

const scenarios = fc.record({
  whims,
  /** Events that the receiver never takes, and does not take others with. */
  bad: fc.array(fc.boolean(), { minLength: 1, maxLength: 24 }),
  maxEvents: fc.integer({ min: 1, max: 8 }),
});

/** The events that a request tells of, each with its rule if it is an alert. */
const told = (body: Buffer): string[] => {
  const found = [...body.toString().matchAll(/"ka\.auditid":"[0-9-]*?(\d{12})"|"auditID":"[0-9-]*?(\d{12})"/g)];
  const rule = /"rule":"(\w+)","time"/.exec(body.toString());
  return found.map(([, falco, native]) => `${Number(falco ?? native)}${rule ? ` ${rule[1]}` : ""}`);
};

/** The host's half of a webhook. */
function deliver(
  hook: SendingSink,
  { maxEvents = 1000, gzip = false, letters = [] }: { maxEvents?: number; gzip?: boolean; letters?: DeadLetter[] },
) {
  const deadLetters = { add: async (more: DeadLetter[]) => void letters.push(...more) } as unknown as DeadLetters;
  const runner = new SendingRunner(
    hook,
    quietHost("hook"),
    {
      request: { maxBytes: 1 << 20, maxEvents, maxWait: 1 },
      retry: { initial: 1, max: 2, slow: 2 },
      concurrency: 1,
      memory: 32 << 20,
      compression: gzip ? "gzip" : "none",
      stallAfter: 60_000,
      select: () => true,
    },
    { deadLetters, viewLetter: () => undefined },
  );
  const ledger = new Ledger();
  runner.addLedger(ledger);
  return { runner, ledger };
}

test.each([{ batch: false }, { format: "kubesphere" }, { format: "falco" }])(
  "events posted one by one (%o) are acknowledged one by one: one that hangs leaves those before it done",
  async (options) => {
    const { url, received } = await receiver((n) => (n < 3 ? { status: 200 } : "never"));
    const { runner, ledger } = deliver(await sink({ url, ...options }), {});
    const lines = [0, 1, 2, 3].map((number) => auditLine(number));
    void runner.offer(batchOf(lines), ledger, true);
    await expect.poll(() => received.length).toBe(3);
    const done = Buffer.byteLength(`${lines[0]}\n${lines[1]}\n`);
    await expect.poll(() => ledger.ranges()).toMatchObject([{ from: 0, to: done }]);
    runner.close();
  },
);

test.each([
  ["in batches", {}, []],
  ["in gzipped batches", { gzip: true }, []],
  ["one by one", { batch: false }, []],
  ["as two alerts each", { format: "falco" }, ["one", "two"]],
])(
  "whatever a receiver answers, events posted %s arrive once and in order, or are dead letters",
  async (_, { gzip, ...options }: { gzip?: boolean } & Record<string, unknown>, rules) => {
    await fc.assert(
      fc.asyncProperty(scenarios, async ({ whims, bad, maxEvents }) => {
        const taken: string[] = [];
        const left = [...whims];
        const isBad = (what: string) => bad[Number.parseInt(what, 10)];
        const { url } = await receiver((_n, body): Answer => {
          const whim = left.shift() ?? "none";
          if (whim === "reset") return "reset";
          if (whim !== "none") return { status: whim as number };
          const here = told(body);
          if (here.some(isBad)) return { status: 422 };
          taken.push(...here);
          return { status: 200 };
        });
        const letters: DeadLetter[] = [];
        const { runner, ledger } = deliver(await sink({ url, ...options }), { maxEvents, gzip, letters });
        const batch = batchOf(bad.map((_, number) => auditLine(number)));
        for (let row = 0; row < batch.count; row++) for (const rule of rules) batch.addMatch(row, match({ rule }));

        expect(await runner.offer(batch, ledger, true)).toBe(true);
        await runner.drain();
        await expect.poll(() => ledger.busy, { interval: 1 }).toBe(false);
        runner.close();

        expect(ledger.cursor).toEqual(batch.end);
        const events = bad.map((_, number) => String(number));
        const messages = events.flatMap((each) => (rules.length > 0 ? rules.map((rule) => `${each} ${rule}`) : [each]));
        expect(taken).toEqual(messages.filter((each) => !isBad(each)));
        expect(letters.map(({ line }) => String(numberOf(Buffer.from(line))))).toEqual(events.filter(isBad));
      }),
      { numRuns: 40 },
    );
  },
);
