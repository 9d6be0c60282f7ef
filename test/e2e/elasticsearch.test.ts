import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { createHttp } from "../../src/delivery/http.js";
import { EventBatch } from "../../src/event/index.js";
import { ByteWriter, type EventView, type Request, type SendingSink, type Verdict } from "../../src/plugin/index.js";
import { testHost } from "../sinks/support.js";
import { quietHost } from "../support/far-end.js";
import { stored } from "../support/stored.js";
import { SEARCH_SERVERS } from "./search-server.js";

const signal = new AbortController().signal;

for (const server of SEARCH_SERVERS) {
  describe.skipIf(!server.url)(server.name, () => {
    // An index pattern of its own for each run, so that a server may be used again.
    const prefix = `audit-e2e-${process.pid}`;
    let sink: SendingSink;
    let done: string[];

    beforeAll(async () => {
      sink = await open(`${prefix}-{date}`);
      done = await sink.setup!(signal);
    });

    async function open(index: string): Promise<SendingSink> {
      const host = testHost({
        http: (options) => createHttp(options, quietHost("archive")),
      });
      return (await elasticsearch.create(
        elasticsearch.options(z).parse({ ...server.sinkOptions(), index }),
        host,
      )) as SendingSink;
    }

    /** The sources of the documents that a query finds. */
    async function search(query: object): Promise<Record<string, unknown>[]> {
      await server.ask("POST", `/${prefix}-*/_refresh`);
      const found = await server.ask<{ hits: { hits: { _source: Record<string, unknown> }[] } }>(
        "POST",
        `/${prefix}-*/_search`,
        { query },
      );
      return found.hits.hits.map((hit) => hit._source);
    }

    let lines = 0;

    /** Events as if each were a line of its own file. */
    function view(line: string): EventView {
      const bytes = Buffer.from(`${line}\n`);
      const batch = new EventBatch({
        capacity: bytes.length,
        documents: { cluster: "e2e", node: "", labels: { env: "test" } },
      });
      const file = { fingerprint: "ab".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 0, time: 0 };
      batch.load({ bytes, length: bytes.length, file, offset: lines++ * 1000 }, "apiserver");
      return batch.at(0);
    }

    function request(...encode: ((out: ByteWriter) => void)[]): Request {
      const out = new ByteWriter();
      for (const each of encode) each(out);
      const count = encode.length;
      return {
        body: out.view(),
        encoding: "identity",
        count,
        firstId: "",
        id: () => "",
        lastId: "",
        attempt: 0,
        unsure: false,
        item: () => out.view(),
      };
    }

    async function send(...encode: ((out: ByteWriter) => void)[]): Promise<Verdict[]> {
      const answer = await sink.send(request(...encode), signal);
      return Array.isArray(answer) ? answer : encode.map(() => answer);
    }

    const event = (auditID: string, more = "") =>
      `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"${auditID}","stage":"ResponseComplete",` +
      `"verb":"create","user":{"username":"ann","extra":{"a.b":["c"]}},"sourceIPs":["10.0.0.1"],"objectRef":{"resource":"pods","name":"x"},` +
      `"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"2026-11-21T00:00:00.000001Z",` +
      `"stageTimestamp":"2026-11-21T00:00:00.000002Z","annotations":{"authorization.k8s.io/decision":"allow"}${more}}`;

    test("is set up: a template of below 200 fields, and a policy or the reason why there is none", async () => {
      expect(done[0]).toMatch(/^lifecycle/);
      expect(done[1]).toMatch(new RegExp(`^index template auditship-${prefix} \\(${prefix}-\\*\\): version 1, made$`));
      expect(await sink.setup!(signal)).toEqual([done[0], done[1].replace(/made$/, "was there")]);
    });

    test("keeps a template that somebody else made", async () => {
      const theirs = await open(`${prefix}-theirs-{date}`);
      const template = { index_patterns: [`${prefix}-theirs-*`], priority: 300, template: {} };
      await server.ask("PUT", `/_index_template/auditship-${prefix}-theirs`, template);
      await expect(theirs.setup!(signal)).rejects.toMatchObject({ code: "AUDITSHIP_SETUP" });
      const path = `/_index_template/auditship-${prefix}-theirs`;
      const kept = await server.ask<{ index_templates: { index_template: object }[] }>("GET", path);
      expect(kept.index_templates[0].index_template).toMatchObject({ priority: 300 });
    });

    test("answers the probe", async () => {
      await expect(sink.probe(signal)).resolves.toBeUndefined();
    });

    test("stores an event once, and says that it has it when it is sent again", async () => {
      const first = view(event("once"));
      const encode = (out: ByteWriter) => sink.encode(first, out);
      expect(await send(encode)).toEqual([{ kind: "done" }]);
      expect(await send(encode)).toEqual([{ kind: "duplicate" }]);
      const found = await search({ term: { auditID: "once" } });
      expect(found).toMatchObject([
        { "@timestamp": "2026-11-21T00:00:00.000002Z", auditship: { cluster: "e2e", source: "apiserver" } },
      ]);
    });

    test("finds events by envelope, body, annotation and label, however users name their keys", async () => {
      const body = `,"requestObject":{"metadata":{"labels":{"app":"x","app.kubernetes.io/name":"y"},"managedFields":[{"fieldsV1":{"f:a":{".":{}}}}]},"spec":{"n":1}}`;
      const found = view(event("found", body));
      const other = view(event("other", ',"requestObject":{"metadata":"a string","spec":[1]}'));
      expect(
        await send(
          (out) => sink.encode(found, out),
          (out) => sink.encode(other, out),
        ),
      ).toEqual([{ kind: "done" }, { kind: "done" }]);
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

    const hostile: [string, string][] = [
      ["a key twice", '{"a":1,"a":2}'],
      ["a term of 33 KB", `{"a":"${"x".repeat(33_000)}"}`],
      ["a depth of 100", `${'{"a":'.repeat(100)}1${"}".repeat(100)}`],
      ["a depth of 10,000", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`],
      ["5,000 keys", `{${Array.from({ length: 5000 }, (_, n) => `"k${n}":1`)}}`],
      ["an array for an object", '[{"op":"add"}]'],
      ["a string for an object", '"patch"'],
      ["an empty key", '{"":{"":1}}'],
      ["a NUL in a key", '{"a\\u0000b":1}'],
      ["half a surrogate pair", '{"a":"\\ud800"}'],
      ["a number that is none elsewhere", '{"a":1e999,"b":12345678901234567890123}'],
    ];

    test.each(hostile)(
      "finds the event of a body with %s by its envelope, if need be in safe shape",
      async (what, body) => {
        const id = what.replaceAll(/\W/g, "-");
        const document = view(event(id, `,"requestObject":${body}`));
        const [verdict] = await send((out) => sink.encode(document, out));
        if (verdict.kind !== "done") {
          expect(verdict.kind).toMatch(/reject|split/);
          const { reason } = verdict as { reason: string };
          const again = stored(document);
          expect(await send((out) => sink.encodeSafe!(again, reason, out))).toEqual([{ kind: "done" }]);
          const [source] = await search({ exists: { field: "auditship.safeShape" } }).then((all) =>
            all.filter((each) => each.auditID === id),
          );
          expect(source).toMatchObject({ requestObjectText: body, auditship: { safeShape: reason } });
        }
        expect(
          await search({ bool: { filter: [{ term: { auditID: id } }, { term: { "user.username": "ann" } }] } }),
        ).toHaveLength(1);
      },
    );

    test("refuses an event that it cannot take, while the others of the request go in", async () => {
      const bad = view(event("bad-time").replace('"stageTimestamp"', '"timestamp":"x","stageTimestamp"'));
      const worse = (out: ByteWriter) => {
        sink.encode(view(event("worse")), out);
        const text = Buffer.from(out.view())
          .toString()
          .replace(/"@timestamp":"[^"]+"/, '"@timestamp":"no time"');
        out.clear();
        out.text(text);
      };
      const [refused, taken] = await send(worse, (out) => sink.encode(bad, out));
      expect(refused).toMatchObject({
        kind: "reject",
        reason: expect.stringMatching(/parsing_exception on field \[@timestamp\] of type \[date\] \(400\)/),
      });
      expect(taken).toEqual({ kind: "done" });
    });

    test("that blocks an index for writing is retried under that name", async () => {
      const document = view(event("blocked").replace(/2026-11-21/g, "2026-10-01"));
      await send((out) => sink.encode(view(event("first").replace(/2026-11-21/g, "2026-10-01")), out));
      await server.ask("PUT", `/${prefix}-2026.10.01/_settings`, { "index.blocks.write": true });
      expect(await send((out) => sink.encode(document, out))).toMatchObject([
        { kind: "retry", slow: true, reason: expect.stringContaining("403 cluster_block_exception") },
      ]);
      await server.ask("PUT", `/${prefix}-2026.10.01/_settings`, { "index.blocks.write": false });
      expect(await send((out) => sink.encode(document, out))).toEqual([{ kind: "done" }]);
    });
  });
}
