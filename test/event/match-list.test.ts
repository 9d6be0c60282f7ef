import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import type { RuleMatch } from "../../src/plugin/index.js";
import { auditLine, batchOf } from "../support/batches.js";

/** A set of rules: what a batch must not keep alive. */
const match = (rule: string): RuleMatch => ({
  rule,
  dialect: "kubesphere",
  priority: "WARNING",
  rank: 2,
  actions: ["archived"],
  tags: [],
  facts: {},
  message: () => "",
});

it("a batch keeps no rules that are gone, in whatever row they matched", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const lines = [auditLine(1), auditLine(2), auditLine(3)];
  const batch = batchOf(lines);
  const load = () => {
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    batch.load({ bytes, length: bytes.length, file: batch.file, offset: 0 }, "test");
  };
  const use = (rules: string, row: number) => {
    const first = match("First");
    batch.rules = rules;
    batch.addMatch(row, first);
    batch.addMatch(row, match("Second"));
    expect(batch.matches(row).map(({ rule }) => rule)).toEqual(["First", "Second"]);
    return new WeakRef(first);
  };
  const gone = use("old", 2);
  load();
  use("new", 0);
  load();
  await expect
    .poll(() => {
      collect();
      return gone.deref() === undefined;
    })
    .toBe(true);
});
