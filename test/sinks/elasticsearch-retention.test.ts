import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dayOf } from "../../plugins/sinks/elasticsearch/retention.js";
import { type AdminOptions, adminServer } from "../support/admin-server.js";
import { elasticsearchAt } from "./support.js";

const NOW = "2026-11-21T12:00:00Z";

interface Given extends AdminOptions {
  indices: string[];
  options?: object;
  dryRun?: boolean;
  aliases?: [string, string][];
}

/** What is told, and what is left, of some indices. */
async function retention({ indices, options = {}, dryRun = false, aliases = [], ...more }: Given) {
  const server = await adminServer("elasticsearch", more);
  for (const index of indices) server.indices.add(index);
  for (const [alias, index] of aliases) server.aliases.set(alias, index);
  const told: string[] = [];
  const sink = elasticsearchAt(server.url, options, { now: () => Date.parse(NOW), cluster: "prod" });
  const expiry = { dryRun, print: (line: string) => void told.push(line) };
  const error = await sink.expire!(expiry, new AbortController().signal).then(
    () => undefined,
    (cause: Error) => cause.message,
  );
  return { told, error, left: [...server.indices], changes: server.changes };
}

describe("retention", () => {
  test("deletes the days whose last event is too old, oldest first, and keeps the one that ends within the limit", async () => {
    const days = ["2026.11.21", "2026.11.15", "2026.11.14", "2026.11.13", "2026.11.12", "2025.12.31"];
    const { told, left } = await retention({ indices: days.map((day) => `audit-${day}`) });
    expect(told).toEqual(["deleted audit-2025.12.31", "deleted audit-2026.11.12", "deleted audit-2026.11.13"]);
    expect(left).toEqual(["audit-2026.11.21", "audit-2026.11.15", "audit-2026.11.14"]);
  });

  test("never touches an index whose name is not exactly the sink's with a day in it", async () => {
    const foreign = [
      "audit-2020.01.01-reindexed",
      "my-audit-2020.01.01",
      "audit-prod-2020.01.01",
      "audit-2020.1.1",
      "audit-2020-01-01",
      "audit-2020.13.01",
      "audit-2020.02.30",
      "audit-2020.01.01.bak",
      "audit-12020.01.01",
      "audit-",
      "audit-policy",
    ];
    const { told, left, changes } = await retention({ indices: foreign });
    expect(told).toEqual(["nothing to delete"]);
    expect([left, changes]).toEqual([foreign, []]);
  });

  test("finds the sink's indices among ten thousands of others", async () => {
    const others = Array.from({ length: 30_000 }, (_, n) => `audit-of-a-tenant-with-a-long-name-${n}`);
    const { told, left } = await retention({ indices: [...others, "audit-2020.01.01"] });
    expect(told).toEqual(["deleted audit-2020.01.01"]);
    expect(left).toHaveLength(30_000);
  });

  test("takes an alias with such a name for no index", async () => {
    const { left } = await retention({ indices: ["theirs"], aliases: [["audit-2020.01.01", "theirs"]] });
    expect(left).toEqual(["theirs"]);
  });

  test.each([
    ["ks-logstash-auditing-{date}", "ks-logstash-auditing-2020.01.01"],
    ["{cluster}-auditing-{date}", "prod-auditing-2020.01.01"],
    ["{date}-audit", "2020.01.01-audit"],
    ["a{date}z.log", "a2020.01.01z.log"],
  ])("knows the days of an index named %s", async (index, name) => {
    const { told } = await retention({ indices: [name, "audit-2020.01.01"], options: { index } });
    expect(told).toEqual([`deleted ${name}`]);
  });

  test("of a dry run says what it would delete, and deletes nothing", async () => {
    const { told, left, changes } = await retention({ indices: ["audit-2020.01.01"], dryRun: true });
    expect(told).toEqual(["would delete audit-2020.01.01"]);
    expect([left, changes]).toEqual([["audit-2020.01.01"], []]);
  });

  test("that cannot delete one index deletes the others, and fails", async () => {
    const indices = ["audit-2020.01.01", "audit-2020.01.02", "audit-2020.01.03"];
    const { error, left } = await retention({ indices, busy: new Set(["audit-2020.01.02"]) });
    expect(left).toEqual(["audit-2020.01.02"]);
    expect(error).toMatch(/^1 of 3 indices could not be deleted: .*being snapshotted/);
  });

  test.each([
    [{ retention: "none" }, "nothing to delete (retention: none)"],
    [
      { index: "audit" },
      "nothing to delete (an index that holds all days cannot be deleted by age: name it by {date})",
    ],
  ])("deletes nothing with %o", async (options, line) => {
    const { told, changes } = await retention({ indices: ["audit", "audit-2020.01.01"], options });
    expect([told, changes]).toEqual([[line], []]);
  });
});

test("a day is found in the names that are made of it, and in no other", () => {
  const part = fc.stringMatching(/^[a-z0-9._-]{0,6}$/);
  const day = fc.date({ min: new Date("1970-01-01"), max: new Date("2999-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(part, part, day, part, (prefix, suffix, date, noise) => {
      const iso = date.toISOString().slice(0, 10);
      const name = `${prefix}${iso.replaceAll("-", ".")}${suffix}`;
      const pattern = `${prefix}{date}${suffix}`;
      expect(dayOf(pattern, name)).toBe(Date.parse(iso));
      if (noise !== "") expect(dayOf(pattern, `${name}${noise}`)).toBeUndefined();
    }),
  );
});
