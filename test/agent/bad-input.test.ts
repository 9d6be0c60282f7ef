import { createHash } from "node:crypto";
import { appendFile, mkdir, rm, writeFile } from "node:fs/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Answer, startBulkServer } from "../support/bulk-server.js";
import { patience } from "../support/patience.js";
import { added, bundledProgram, Site, simulated, started, text } from "./fixture.js";

const program = bundledProgram();
const good = simulated(11, 24).filter((line) => line.length < 20_000);
/** Stands in every bad line: no byte of one may leave. */
const CANARY = "hunter2-canary";
const BEGINNING = '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata"';

/** Bad lines, and why they are no events; undefined for those that are nothing at all. */
const BAD: [name: string, line: Buffer, reason?: string][] = [
  ["text", Buffer.from(`I0105 08:00:00 ${CANARY}`), "syntax"],
  ["half an event", Buffer.from(`${BEGINNING},"auditID":"${CANARY}`), "syntax"],
  ["an event and more", Buffer.from(`${BEGINNING}} ${CANARY}`), "syntax"],
  ["an array", Buffer.from(`["${CANARY}"]`), "not-an-object"],
  ["a string", Buffer.from(`"${CANARY}"`), "not-an-object"],
  ["an empty line", Buffer.from("")],
  ["white space", Buffer.from(" \t ")],
  ["NULs and no more", Buffer.alloc(500)],
  ["NULs in text", Buffer.concat([Buffer.from(CANARY), Buffer.alloc(9), Buffer.from(CANARY)]), "syntax"],
  ["binary", Buffer.concat([Buffer.from([0xff, 0xfe, 0x80, 0x01, 0x7b]), Buffer.from(CANARY)]), "syntax"],
  ["too long", Buffer.from(`${BEGINNING},"x":"${CANARY.repeat(20_000)}`), "too-long"],
];
/** Longer than the configured maxLine; its body must not leave, the rest must. */
const LONG = `${BEGINNING},"auditID":"long","stage":"ResponseComplete","verb":"create","requestObject":{"a":"${CANARY.repeat(20_000)}"},"stageTimestamp":"2026-11-21T00:00:00.000000Z"}`;

describe("bad lines between good ones", () => {
  it("are counted by reason and reported without a byte of them; the good ones arrive, and the agent lives", async () => {
    const site = await Site.make();
    // Half of the first good line is written before a crash, and the line whole behind it.
    const torn = `${good[0].slice(0, 300)}${good[0]}`;
    const parts: Buffer[] = [Buffer.from(`${torn}\n`)];
    for (const [index, line] of good.entries()) {
      if (index > 0) parts.push(Buffer.from(`${line}\n`));
      if (index < BAD.length) parts.push(BAD[index][1], Buffer.from("\n"));
    }
    await writeFile(site.at("log", "audit.log"), Buffer.concat(parts));
    await site.configure({
      maxLine: "100KiB",
      memory: { buffers: "400KiB" },
      sinks: { archive: { type: "file", path: "archive.ndjson" } },
    });
    const agent = program.start(site);
    const { metric } = await started(agent);
    const reasons = [...BAD.flatMap(([, , reason]) => reason ?? []), "torn"];
    await vi.waitFor(async () => {
      expect(await site.archive("archive.ndjson")).toHaveLength(good.length + reasons.length);
    }, patience);
    const archive = await site.archive("archive.ndjson");

    const isReport = (line: string) => line.includes('"invalid":{');
    archive.filter((line) => !isReport(line)).forEach((line, index) => void added(line, good[index]));
    const reports = archive.filter(isReport).map((line) => JSON.parse(line).auditship.invalid);
    const told = BAD.filter(([, , reason]) => reason).map(([, line, reason]) => ({
      reason,
      length: line.length,
      sha256: createHash("sha256").update(line).digest("hex"),
    }));
    expect(reports.filter(({ reason }) => reason !== "torn")).toEqual(told);
    expect(reports.filter(({ reason }) => reason === "torn")).toEqual([
      expect.objectContaining({ reason: "torn", length: 300 }),
    ]);
    expect(archive.join("\n") + agent.err + agent.out).not.toContain(CANARY);

    const counted = await metric("auditship_invalid_lines_total");
    const expected: Record<string, number> = {};
    for (const reason of reasons) {
      const labels = `{source="apiserver",reason="${reason}"}`;
      expected[labels] = (expected[labels] ?? 0) + 1;
    }
    expect(counted).toEqual(expected);

    await appendFile(site.at("log", "audit.log"), text(simulated(12, 1)));
    await vi.waitFor(async () => {
      expect(await site.archive("archive.ndjson")).toHaveLength(archive.length + 1);
    }, patience);
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
  });
});

describe("an event that is longer than maxLine", () => {
  it("arrives without its body, marked and matched", async () => {
    const site = await Site.make();
    await writeFile(site.at("log", "audit.log"), text([good[0], LONG, good[1]]));
    await site.configure({
      maxLine: "100KiB",
      memory: { buffers: "400KiB" },
      sinks: { archive: { type: "file", path: "archive.ndjson" } },
    });
    const agent = program.start(site);
    const { metric } = await started(agent);
    await vi.waitFor(async () => expect(await site.archive("archive.ndjson")).toHaveLength(3), patience);
    const [, document] = (await site.archive("archive.ndjson")).map((line) => JSON.parse(line));
    const { requestObject: _, ...envelope } = JSON.parse(LONG);
    expect(document).toMatchObject({
      ...envelope,
      auditship: {
        offset: good[0].length + 1,
        truncated: {
          dropped: ["requestObject"],
          length: LONG.length,
          sha256: createHash("sha256").update(LONG).digest("hex"),
        },
        matches: expect.arrayContaining([expect.objectContaining({ rule: "UnseenBody", priority: "WARNING" })]),
      },
    });
    expect(document).not.toHaveProperty("requestObject");
    expect(await metric("auditship_truncated_lines_total")).toEqual({ '{source="apiserver"}': 1 });
    expect(Object.values(await metric("auditship_bytes_total"))).toEqual([text([good[0], LONG, good[1]]).length]);
  });
});

describe("a directory that is not there", () => {
  it("is waited for, and said; its log is read from the first line", async () => {
    const site = await Site.make();
    await rm(site.at("log"), { recursive: true });
    await site.configure({ sinks: { archive: { type: "file", path: "archive.ndjson" } } });
    const agent = program.start(site);
    await started(agent);
    await agent.until(({ err }) => err.includes(site.at("log")));
    await mkdir(site.at("log"));
    await writeFile(site.at("log", "audit.log"), text(good));
    await vi.waitFor(async () => {
      expect(await site.archive("archive.ndjson")).toHaveLength(good.length);
    }, patience);
    (await site.archive("archive.ndjson")).forEach((line, index) => void added(line, good[index]));
  });
});

describe("a sink that answers nonsense", () => {
  const nonsense: [string, Answer][] = [
    ["a web page", { do: "status", status: 200, body: "<html>Welcome</html>" }],
    ["success without items", { do: "status", status: 200, body: '{"took":1,"errors":false}' }],
    [
      "fewer items than were sent",
      { do: "status", status: 200, body: '{"errors":false,"items":[{"create":{"status":201}}]}' },
    ],
    ["no JSON to the end", { do: "cut" }],
    ["a proxy's error page", { do: "status", status: 502, body: "<html>Bad Gateway</html>" }],
  ];

  it.each(nonsense)("(%s) is not believed: when it recovers everything is there, once", async (_, answer) => {
    const server = await startBulkServer({ script: () => answer });
    onTestFinished(() => server.close());
    const site = await Site.make();
    await writeFile(site.at("log", "audit.log"), text(good));
    await site.configure({
      sinks: {
        search: { type: "elasticsearch", urls: [server.url], retry: { initial: "20ms", max: "100ms", slow: "100ms" } },
      },
    });
    const agent = program.start(site);
    await agent.until(({ err }) => err.includes("Sink does not take events"));
    await vi.waitFor(() => expect(server.requests).toBeGreaterThan(1), patience);
    expect(server.stored.size).toBe(0);
    server.script = () => ({ do: "store" });
    await vi.waitFor(() => expect(server.stored.size).toBe(good.length), patience);
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    const documents = [...server.stored.values()].map(String).sort();
    [...good].sort().forEach((line, index) => void added(documents[index], line));
  });
});
