import { beforeAll, describe, expect, test } from "vitest";
import type { SendingSink } from "../../src/plugin/index.js";
import { SEARCH_SERVERS } from "./search-server.js";
import { eventOf, line, openSink, send, sendAgain, sendBytes, sendSafe } from "./search-sink.js";

const signal = new AbortController().signal;
const DONE = { kind: "done" };
const DUPLICATE = { kind: "duplicate" };

/** What clients may put where an object is expected. */
const HOSTILE: [string, string][] = [
  ["a-key-twice", '{"a":1,"a":2}'],
  ["a-term-of-33-KB", `{"a":"${"x".repeat(33_000)}"}`],
  ["a-key-of-33-KB", `{"${"x".repeat(33_000)}":"a"}`],
  ["a-depth-of-100", `${'{"a":'.repeat(100)}1${"}".repeat(100)}`],
  ["a-depth-of-10,000", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`],
  ["arrays-10,000-deep", `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`],
  ["5,000-keys", `{${Array.from({ length: 5000 }, (_, n) => `"k${n}":"v"`)}}`],
  ["an-array", '[{"op":"add"}]'],
  ["a-string", '"patch"'],
  ["a-number", "1"],
  ["an-empty-key", '{"":{"":1}}'],
  ["keys-with-dots", '{"a":"b","a.b":{"c":1},".":1,"..":1,"a.":1}'],
  ["a-NUL-in-a-key", '{"a\\u0000b":1}'],
  ["half-a-surrogate-pair", '{"a":"\\ud800","\\udfff":1}'],
  ["numbers-that-are-none-elsewhere", '{"a":1e999,"b":12345678901234567890123,"c":-0.0}'],
];

/** Where: how the line is written with it, and where its text is in a document in safe shape. */
const PLACES: [string, (id: string, value: string) => string, (source: Source) => unknown][] = [
  ["requestObject", (id, value) => line(id, `,"requestObject":${value}`), (source) => source.requestObjectText],
  ["responseObject", (id, value) => line(id, `,"responseObject":${value}`), (source) => source.responseObjectText],
  [
    "annotations",
    (id, value) => line(id).replace(/"annotations":\{[^}]*\}/, () => `"annotations":${value}`),
    (source) => source.annotationsText,
  ],
  [
    "user.extra",
    (id, value) => line(id).replace('{"a.b":["c"]}', () => value),
    (source) => (source.user as Source).extraText,
  ],
  [
    "responseStatus.details",
    (id, value) => line(id).replace('"code":201', () => `"code":201,"details":${value}`),
    (source) => (source.responseStatus as Source).detailsText,
  ],
];

type Source = Record<string, unknown>;

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(server.name, () => {
    // An index pattern of its own for each run, so that a server may be used again.
    const prefix = `audit-e2e-${process.pid}`;
    let sink: SendingSink;
    let done: string[];

    beforeAll(async () => {
      sink = await openSink({ ...server.sinkOptions(), index: `${prefix}-{date}` });
      done = await sink.setup!(signal);
    });

    /** The sources of the documents that a query finds. */
    async function search(query: object, indices = `${prefix}-*`): Promise<Source[]> {
      await server.ask("POST", `/${indices}/_refresh`);
      const path = `/${indices}/_search?size=1000`;
      const found = await server.ask<{ hits: { hits: { _source: Source }[] } }>("POST", path, { query });
      return found.hits.hits.map((hit) => hit._source);
    }

    test("is set up: a template of below 200 fields, and a policy or the reason why there is none", async () => {
      expect(done[0]).toMatch(/^lifecycle/);
      expect(done[1]).toMatch(
        new RegExp(`^index template auditship-${prefix}-daily \\(${prefix}-\\*\\): version 1, made$`),
      );
      expect(await sink.setup!(signal)).toEqual([done[0], done[1].replace(/made$/, "was there")]);
    });

    test("keeps a template that somebody else made", async () => {
      const theirs = await openSink({ ...server.sinkOptions(), index: `${prefix}-theirs-{date}` });
      const template = { index_patterns: [`${prefix}-theirs-*`], priority: 300, template: {} };
      await server.ask("PUT", `/_index_template/auditship-${prefix}-theirs-daily`, template);
      await expect(theirs.setup!(signal)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
      const path = `/_index_template/auditship-${prefix}-theirs-daily`;
      const kept = await server.ask<{ index_templates: { index_template: object }[] }>("GET", path);
      expect(kept.index_templates[0].index_template).toMatchObject({ priority: 300 });
    });

    test("answers the probe", async () => {
      await expect(sink.probe(signal)).resolves.toBeUndefined();
    });

    test("stores an event once, and says that it has it when it is sent again", async () => {
      const event = eventOf(line("once"));
      expect(await send(sink, event)).toEqual([DONE]);
      expect(await send(sink, event)).toEqual([DUPLICATE]);
      const found = await search({ term: { auditID: "once" } });
      expect(found).toMatchObject([
        { "@timestamp": "2026-11-21T00:00:00.000002Z", auditship: { cluster: "e2e", source: "apiserver" } },
      ]);
    });

    test("finds events by envelope, body, annotation and label, however users name their keys", async () => {
      const body = `,"requestObject":{"metadata":{"labels":{"app":"x","app.kubernetes.io/name":"y"},"managedFields":[{"fieldsV1":{"f:a":{".":{}}}}]},"spec":{"n":1}}`;
      const found = eventOf(line("found", body));
      const other = eventOf(line("other", ',"requestObject":{"metadata":"a string","spec":[1]}'));
      expect(await send(sink, found, other)).toEqual([DONE, DONE]);
      const terms = [
        { "objectRef.resource": "pods" },
        { sourceIPs: "10.0.0.0/8" },
        { "responseStatus.code": 201 },
        { "requestObject.metadata.labels.app": "x" },
        { "annotations.authorization.k8s.io/decision": "allow" },
        { "auditship.labels.env": "test" },
      ];
      for (const term of terms) {
        const hits = await search({ bool: { filter: [{ term: { auditID: "found" } }, { term }] } });
        expect(hits, JSON.stringify(term)).toHaveLength(1);
      }
    });

    test.each(PLACES)(
      "finds each event by its envelope whatever its %s holds, if need be in safe shape",
      async (place, lineOf, textOf) => {
        const reasons = new Map<string, string>();
        for (const [what, value] of HOSTILE) {
          const event = eventOf(lineOf(`${place}-${what}`, value));
          const [verdict] = await send(sink, event);
          if (verdict.kind === "done") {
            // What is too deep goes in safe shape unasked.
            if (/deep/.test(what) && !what.endsWith("-100")) reasons.set(what, "nested too deep");
            continue;
          }
          expect(verdict.kind, what).toMatch(/reject|split/);
          const { reason } = verdict as { reason: string };
          reasons.set(what, reason);
          expect(await sendSafe(sink, event, reason), `${what}: ${reason}`).toEqual([DONE]);
        }
        for (const [what, value] of HOSTILE) {
          const filter = [{ term: { auditID: `${place}-${what}` } }, { term: { "user.username": "ann" } }];
          const found = await search({ bool: { filter } });
          expect(found, what).toHaveLength(1);
          const reason = reasons.get(what);
          if (reason === undefined) continue;
          expect(found[0].auditship, what).toMatchObject({ safeShape: reason });
          expect(textOf(found[0]), what).toBe(value);
        }
      },
    );

    test("refuses an event that it cannot take, while the others of the request go in", async () => {
      const bad = eventOf(line("bad-time").replace('"stageTimestamp"', '"timestamp":"x","stageTimestamp"'));
      const noTime = `{"create":{"_index":"${prefix}-2026.11.21","_id":"no-time"}}\n{"@timestamp":"no time"}\n`;
      const [refused, taken] = await sendBytes(sink, noTime, bad);
      expect(refused).toMatchObject({
        kind: "reject",
        reason: expect.stringMatching(/parsing_exception on field \[@timestamp\] of type \[date\] \(400\)/),
      });
      expect(taken).toEqual(DONE);
    });

    test.each([
      ["blocked for writing", "blocks.write", "the index is blocked for writing (403 cluster_block_exception)"],
      [
        "of a full disk",
        "blocks.read_only_allow_delete",
        "a disk is full, so the index takes no writes (429 cluster_block_exception)",
      ],
    ])("retries to an index %s, under that name, until it is not any more", async (_, block, reason) => {
      const index = `${prefix}-2026.10.01`;
      expect(await send(sink, eventOf(line("before", "", "2026-10-01")))).toEqual([DONE]);
      await server.ask("PUT", `/${index}/_settings`, { [`index.${block}`]: true });
      const event = eventOf(line("blocked", "", "2026-10-01"));
      expect(await send(sink, event)).toEqual([{ kind: "retry", slow: true, reason }]);
      await server.ask("PUT", `/${index}/_settings`, { [`index.${block}`]: null });
      expect(await send(sink, event)).toEqual([DONE]);
    });

    test("retries to an index that is not there and is not to be made, until it is", async () => {
      const index = `${prefix}-unmade`;
      const to = await openSink({ ...server.sinkOptions(), index });
      const event = eventOf(line("unmade"));
      await server.ask("PUT", "/_cluster/settings", { persistent: { "action.auto_create_index": `-${index},*` } });
      try {
        expect(await send(to, event)).toEqual([
          {
            kind: "retry",
            slow: true,
            reason: "the index does not exist and is not to be created (404 index_not_found_exception)",
          },
        ]);
      } finally {
        await server.ask("PUT", "/_cluster/settings", { persistent: { "action.auto_create_index": null } });
      }
      expect(await send(to, event)).toEqual([DONE]);
    });

    test("retries to an index that is closed, and through a pipeline that is not there", async () => {
      const index = `${prefix}-closed`;
      const to = await openSink({ ...server.sinkOptions(), index });
      await send(to, eventOf(line("open")));
      await server.ask("POST", `/${index}/_close`);
      const closed = "the index is closed (400 index_closed_exception)";
      expect(await send(to, eventOf(line("closed")))).toMatchObject([{ kind: "retry", slow: true, reason: closed }]);
      const through = await openSink({ ...server.sinkOptions(), index: `${prefix}-piped`, pipeline: "nowhere" });
      expect(await send(through, eventOf(line("piped")))).toMatchObject([
        { kind: "retry", slow: true, reason: "the ingest pipeline does not exist (400 illegal_argument_exception)" },
      ]);
    });

    test("sends events through an ingest pipeline", async () => {
      const pipeline = `${prefix}-pipeline`;
      // Not every test server has a processor; an empty pipeline is one that every server must know by name.
      await server.ask("PUT", `/_ingest/pipeline/${pipeline}`, { description: "does nothing", processors: [] });
      const through = await openSink({ ...server.sinkOptions(), index: `${prefix}-piped`, pipeline });
      expect(await send(through, eventOf(line("piped")))).toEqual([DONE]);
    });

    test("keeps the events of a namespace in one shard where they are routed by it", async () => {
      const index = `${prefix}-routed`;
      await server.ask("PUT", `/${index}`, { settings: { number_of_shards: 4, number_of_replicas: 0 } });
      const to = await openSink({ ...server.sinkOptions(), index, routing: "objectRef.namespace" });
      const shop = (n: number) => eventOf(line(`routed-${n}`).replace('"name":"x"', '"namespace":"shop"'));
      const events = Array.from({ length: 20 }, (_, n) => shop(n));
      for (const event of events) expect(await send(to, event)).toEqual([DONE]);
      for (const event of events) expect(await send(to, event)).toEqual([DUPLICATE]);
      await server.ask("POST", `/${index}/_refresh`);
      const answer = await server.ask<{ hits: { total: { value: number } }; _shards: { total: number } }>(
        "POST",
        `/${index}/_search?routing=shop`,
      );
      expect(answer).toMatchObject({ hits: { total: { value: 20 } }, _shards: { total: 1 } });
    });

    test("stores an event once in a data stream that rolled over before it was sent again", async () => {
      const dataStream = `${prefix}-stream`;
      const to = await openSink({ ...server.sinkOptions(), dataStream });
      await to.setup!(signal);
      const [first, second, third] = ["first", "second", "third"].map((name) => eventOf(line(`stream-${name}`)));
      expect(await sendAgain(to, first)).toEqual([DONE]);
      expect(await send(to, second)).toEqual([DONE]);
      await server.ask("POST", `/${dataStream}/_rollover`);
      expect(await sendAgain(to, first, third, second)).toEqual([DUPLICATE, DONE, DUPLICATE]);
      expect(await sendAgain(to, third)).toEqual([DUPLICATE]);
      await server.ask("POST", `/${dataStream}/_rollover`);
      expect(await sendAgain(to, third)).toEqual([DUPLICATE]);
      const found = await search({ match_all: {} }, dataStream);
      expect(found.map(({ auditID }) => auditID).sort()).toEqual(["stream-first", "stream-second", "stream-third"]);
    });
  });
}
