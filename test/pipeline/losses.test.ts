import { expect, it } from "vitest";
import { Metrics } from "../../src/observe/meter.js";
import { openSource, type SourceDeps } from "../../src/pipeline/sources.js";
import { defineSource, type Loss } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";
import { MemorySource } from "../support/memory-source.js";

/** Tells the host of losses; returns the series of a metric as the page has it, and what was logged. */
async function told(losses: Loss[]) {
  const source = new MemorySource();
  const plugin = defineSource({
    kind: "source",
    name: "memory",
    options: (z) => z.strictObject({}),
    open: async () => source,
  });
  const metrics = new Metrics();
  const said: string[] = [];
  const { log } = quietHost("apiserver");
  const deps = {
    host: quietHost,
    store: { readSource: async () => undefined },
    log: { ...log, error: (_fields: object, message: string) => void said.push(message) },
    metrics,
  } as unknown as SourceDeps;
  await openSource({ name: "apiserver", plugin, options: {}, common: {} } as never, deps);
  for (const loss of losses) source.onLoss(loss);
  const page = await metrics.text();
  return { said, series: (name: string) => page.split("\n").filter((row) => row.startsWith(`${name}{`)) };
}

const UNSEEN = { reason: "unseen", bytes: 0, file: "a" } as const;

it("losses that nobody saw are counted with their upper bounds", async () => {
  const { said, series } = await told([
    { ...UNSEEN, atMost: 700 },
    { ...UNSEEN, atMost: 50 },
    { reason: "deleted", bytes: 30, file: "b" },
  ]);
  expect(series("auditship_bytes_lost_at_most")).toEqual(['auditship_bytes_lost_at_most{source="apiserver"} 750']);
  expect(series("auditship_bytes_lost_total")).toEqual([
    'auditship_bytes_lost_total{source="apiserver",reason="unseen"} 0',
    'auditship_bytes_lost_total{source="apiserver",reason="deleted"} 30',
  ]);
  expect(new Set(said)).toEqual(new Set(["Audit bytes are gone before they were read."]));
});

it("a loss of which no upper bound is known leaves none for the sum, and says so", async () => {
  const { said, series } = await told([{ ...UNSEEN, atMost: 700 }, UNSEEN, { ...UNSEEN, atMost: 50 }]);
  expect(series("auditship_bytes_lost_at_most")).toEqual(['auditship_bytes_lost_at_most{source="apiserver"} +Inf']);
  expect(said[1]).toBe("Audit bytes are gone before they were read; nobody knows how many.");
});
