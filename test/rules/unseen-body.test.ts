import { describe, expect, it } from "vitest";
import { EventBatch } from "../../src/event/index.js";
import { loadRules } from "../../src/rules/index.js";
import { auditLine, batchOf, testFile } from "../support/batches.js";

const options = { paths: [], archivingPriority: "DEBUG", alertingPriority: "WARNING" };
const more = (verb: string) => ({ verb, objectRef: { resource: "pods", namespace: "shop", name: "x" } });

/** A batch of one line that was longer than `maxLine`. */
function oversized(line: string, dropped: string[]): EventBatch {
  const batch = new EventBatch({ capacity: 0, documents: { cluster: "", node: "", labels: {} } });
  const bytes = Buffer.from(`${line}\n`);
  const facts = { skipped: 31_000_001, length: 31_000_000, sha256: "ab".repeat(32), dropped };
  batch.load({ bytes, length: bytes.length, file: testFile, offset: 0, oversized: facts }, "test");
  return batch;
}

const matchesOf = async (batch: EventBatch, more = {}) => {
  const { set } = await loadRules({ ...options, ...more });
  set.evaluate(batch);
  return batch.matches(0).map((match) => ({ ...match, message: match.message(batch.at(0)) }));
};

describe("a body that no rule has seen", () => {
  it.each(["create", "update", "patch", "Create"])("of a %s that was longer than maxLine is a match", async (verb) => {
    expect(await matchesOf(oversized(auditLine(1, more(verb)), ["requestObject"]))).toMatchObject([
      {
        rule: "UnseenBody",
        dialect: "auditship",
        priority: "WARNING",
        actions: ["archived", "alerting"],
        message: `alice ${verb} pods shop/x: no rule has seen requestObject, too large`,
      },
    ]);
  });

  it("alerts only at or above the configured priority, and in the configured stages", async () => {
    const batch = () => oversized(auditLine(1, more("create")), ["requestObject", "responseObject"]);
    expect(await matchesOf(batch(), { alertingPriority: "Error" })).toMatchObject([{ actions: ["archived"] }]);
    expect(await matchesOf(batch(), { stages: ["Panic"] })).toEqual([]);
    expect(await matchesOf(batch(), { stages: ["ResponseComplete"] })).toHaveLength(1);
  });

  it("is no match if the request only reads, or something else was dropped", async () => {
    expect(await matchesOf(oversized(auditLine(1, more("list")), ["responseObject"]))).toEqual([]);
    expect(await matchesOf(oversized(auditLine(1, more("create")), ["annotations"]))).toEqual([]);
  });

  it("is a match if it holds more values than can be opened", async () => {
    const padded = (values: number) => auditLine(1, { ...more("create"), requestObject: Array(values).fill(0) });
    expect(await matchesOf(batchOf([padded(1_100_000)]))).toHaveLength(1);
    expect(await matchesOf(batchOf([padded(900_000)]))).toEqual([]);
  });
});
