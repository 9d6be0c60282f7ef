import { describe, expect, onTestFinished, test } from "vitest";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import { ByteWriter, type SendingSink, type Verdict } from "../../src/plugin/index.js";
import { type BulkServer, type Script, startBulkServer } from "../support/bulk-server.js";
import { serve } from "../support/serve.js";
import { event, NOW, request, sink } from "./elasticsearch.js";

const signal = new AbortController().signal;

async function server(script?: Script): Promise<BulkServer> {
  const bulk = await startBulkServer({ script });
  onTestFinished(() => bulk.close());
  return bulk;
}

async function verdicts(script: Script, count = 2): Promise<Verdict | Verdict[]> {
  const bulk = await server(script);
  const es = await sink(bulk.url);
  const lines = Array.from({ length: count }, (_, n) => event(n));
  const answer = await es.send(request(es, lines), signal);
  expect(bulk.problems).toEqual([]);
  return answer;
}

describe("a request", () => {
  test("is NDJSON with a create for each event: its id, and the index of its UTC day", async () => {
    const bulk = await server();
    const es = await sink(bulk.url);
    const late = { ...event(0), stageTimestamp: "2026-11-21T01:30:00+02:00" };
    const sent = request(es, [event(1), late]);
    expect(await es.send(sent, signal)).toEqual({ kind: "done" });
    const [first, firstDocument, second] = Buffer.from(sent.body).toString().split("\n");
    expect(JSON.parse(first)).toEqual({ create: { _index: "audit-2026.11.21", _id: sent.firstId } });
    expect(JSON.parse(second)).toEqual({ create: { _index: "audit-2026.11.20", _id: sent.lastId } });
    expect(JSON.parse(firstDocument)).toMatchObject({ ...event(1), "@timestamp": event(1).stageTimestamp });
    expect(bulk.problems).toEqual([]);
    expect([...bulk.stored.keys()]).toEqual([sent.firstId, sent.lastId]);
  });

  test("goes as plain NDJSON, which every server takes, and asks for statuses and errors only", async () => {
    let seen: { url?: string; type?: string; accept?: string } = {};
    const url = await serve((request, response) => {
      seen = { url: request.url, type: request.headers["content-type"], accept: request.headers.accept };
      response.setHeader("content-type", "application/json");
      request.resume().on("end", () => response.end('{"items":[{"create":{"status":201}}]}'));
    });
    const es = await sink(`${url}/es`);
    expect(await es.send(request(es, [event(0)]), signal)).toEqual({ kind: "done" });
    expect(seen).toEqual({
      url: "/es/_bulk?filter_path=items.*.status%2Citems.*.error.type%2Citems.*.error.reason",
      type: "application/x-ndjson",
      accept: "application/json",
    });
  });

  test("that the host has gzipped goes gzipped", async () => {
    const bulk = await server();
    const es = await sink(bulk.url);
    expect(es.gzip).toBe(true);
    const sent = request(es, [event(0), event(1)], "gzip");
    expect(await es.send(sent, signal)).toEqual({ kind: "done" });
    expect(bulk.bytes).toBe(sent.body.length);
    expect(bulk.stored.size).toBe(2);
  });

  test("names the cluster in its index where the configuration says so", async () => {
    const es = await sink("http://127.0.0.1:1", { index: "audit-{cluster}" }, "Prod-1");
    expect(Buffer.from(request(es, [event(0)]).body).toString()).toContain('"_index":"audit-prod-1"');
  });

  test.each(["Audit", "a b", "audit-{day}", "a-{date}-{date}", "-audit", "audit/*", "..", ""])(
    "to the index %j is refused before it is sent",
    async (index) => {
      await expect(sink("http://127.0.0.1:1", { index })).rejects.toMatchObject({ code: "AUDITSHIP_CONFIG_VALUE" });
    },
  );

  test("to an index of a cluster without a name is refused", async () => {
    await expect(sink("http://127.0.0.1:1", { index: "a-{cluster}" })).rejects.toThrow("set cluster");
  });
});

describe("an item", () => {
  const mapping =
    "[1:2] failed to parse field [user.extra] of type [flattened] in document with id 'x'. Preview of field's value: 'hunter2'";
  const cases: [number, string | undefined, Partial<Verdict>][] = [
    [201, undefined, { kind: "done" }],
    [200, undefined, { kind: "done" }],
    [409, "version_conflict_engine_exception", { kind: "duplicate" }],
    [429, "es_rejected_execution_exception", { kind: "retry", reason: "busy (429 es_rejected_execution_exception)" }],
    [
      503,
      "unavailable_shards_exception",
      { kind: "retry", reason: "the server fails (503 unavailable_shards_exception)", unsure: true },
    ],
    [
      403,
      "security_exception",
      { kind: "retry", slow: true, reason: "no right to write to the index (403 security_exception)" },
    ],
    [404, "index_not_found_exception", { kind: "retry", slow: true }],
    [400, "validation_exception", { kind: "retry", slow: true }],
    [400, "index_closed_exception", { kind: "retry", slow: true }],
    [
      400,
      "document_parsing_exception",
      { kind: "reject", reason: "document_parsing_exception on field [user.extra] of type [flattened] (400)" },
    ],
    [400, "mapper_parsing_exception", { kind: "reject" }],
    [400, "strict_dynamic_mapping_exception", { kind: "reject" }],
    [400, "illegal_argument_exception", { kind: "reject" }],
    [413, "too_large", { kind: "reject" }],
  ];
  test.each(cases)("answered with %i %s gets its own verdict, the others theirs", async (status, type, expected) => {
    const answer = await verdicts(
      () => ({
        do: "store",
        item: (_, index) => (index === 1 ? { status, type, reason: mapping } : undefined),
      }),
      3,
    );
    const list = Array.isArray(answer) ? answer : [answer, answer, answer];
    expect(list[0]).toEqual({ kind: "done" });
    expect(list[1]).toMatchObject(expected);
    expect(list[2]).toEqual({ kind: "done" });
    expect(JSON.stringify(answer)).not.toContain("hunter2");
  });

  test("refused for a full disk, a write block or a missing right is retried under the name of its cause", async () => {
    const answers = [
      { status: 429, type: "cluster_block_exception" },
      { status: 403, type: "cluster_block_exception" },
      { status: 403, type: "security_exception" },
    ];
    expect(await verdicts(() => ({ do: "store", item: (_, index) => answers[index] }), 3)).toEqual([
      {
        kind: "retry",
        slow: true,
        reason: "a disk is full, so the index takes no writes (429 cluster_block_exception)",
      },
      { kind: "retry", slow: true, reason: "the index is blocked for writing (403 cluster_block_exception)" },
      { kind: "retry", slow: true, reason: "no right to write to the index (403 security_exception)" },
    ]);
  });

  test.each([
    ["pipeline with id [geo] does not exist", "the ingest pipeline does not exist"],
    [
      "no write index is defined for alias [audit]. The write index may be explicitly disabled",
      "the alias has no index to write to",
    ],
  ])("refused for an argument that is not its own (%s) is retried", async (reason, cause) => {
    const type = "illegal_argument_exception";
    expect(await verdicts(() => ({ do: "store", item: () => ({ status: 400, type, reason }) }), 1)).toEqual([
      { kind: "retry", slow: true, reason: `${cause} (400 illegal_argument_exception)` },
    ]);
  });

  test("refused by a cluster without a master is a failure of the server, which may have taken it", async () => {
    const type = "cluster_block_exception";
    expect(await verdicts(() => ({ do: "store", item: () => ({ status: 503, type }) }), 1)).toMatchObject([
      { kind: "retry", unsure: true, reason: "the server fails (503 cluster_block_exception)" },
    ]);
  });

  test("with an error type that is no machine word is not quoted", async () => {
    const answer = await verdicts(
      () => ({ do: "store", item: () => ({ status: 400, type: "hunter2 said so", reason: "field [hunter2 x]" }) }),
      1,
    );
    expect(answer).toEqual([{ kind: "reject", reason: "unknown error (400)" }]);
  });
});

describe("an answer that says the same of all items", () => {
  const answers = (body: string, count: number) =>
    verdicts(() => ({ do: "status", status: 200, body, headers: { "content-type": "application/json" } }), count);
  const items = (...statuses: number[]) => statuses.map((status) => ({ create: { status } }));
  const created = (count: number) => items(...Array.from({ length: count }, () => 201));

  test.each([1, 2, 256, 257, 600])("is done for %i created ones, however it is written", async (count) => {
    expect(await answers(JSON.stringify({ items: created(count) }), count)).toEqual({ kind: "done" });
    expect(await answers(JSON.stringify({ errors: false, items: created(count) }), count)).toEqual({ kind: "done" });
    expect(await answers(JSON.stringify({ items: created(count) }, undefined, 1), count)).toEqual({ kind: "done" });
    expect(await answers(JSON.stringify({ items: created(count), errors: false }), count)).toEqual({ kind: "done" });
  });

  test("is not taken for it when one, wherever it stands, says something else", async () => {
    for (const index of [0, 1, 255, 256, 257, 599]) {
      const answer = await answers(JSON.stringify({ items: created(600).with(index, items(409)[0]) }), 600);
      const kinds = (answer as Verdict[]).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind !== "done")).toEqual(["duplicate"]);
      expect(kinds[index]).toBe("duplicate");
    }
  });

  test.each([1, 3])("for %i of 2 events is nonsense", async (count) => {
    const expected = { kind: "retry", unsure: true, reason: `nonsense answer: ${count} items for 2 events` };
    expect(await answers(JSON.stringify({ items: created(count) }), 2)).toEqual(expected);
  });
});

describe("a whole request", () => {
  const refused = (type: string) => JSON.stringify({ error: { type, reason: "hunter2" }, status: 400 });
  const json = { "content-type": "application/json" };
  test.each<[string, Script, Partial<Verdict>]>([
    ["413", () => ({ do: "status", status: 413 }), { kind: "split" }],
    [
      "400",
      () => ({ do: "status", status: 400, body: refused("illegal_argument_exception"), headers: json }),
      { kind: "split", reason: "the request is refused (400 illegal_argument_exception)" },
    ],
    [
      "400 for the shard limit",
      () => ({ do: "status", status: 400, body: refused("validation_exception"), headers: json }),
      { kind: "retry", slow: true },
    ],
    [
      "401",
      () => ({ do: "status", status: 401, body: refused("security_exception"), headers: json }),
      { kind: "retry", slow: true, reason: "the credentials are refused (401 security_exception)" },
    ],
    ["404", () => ({ do: "status", status: 404 }), { kind: "retry", slow: true }],
    [
      "a redirect",
      () => ({ do: "status", status: 302, headers: { location: "http://127.0.0.1:1/" } }),
      { kind: "retry", slow: true, reason: "redirected (302); redirects are not followed" },
    ],
    [
      "429 with Retry-After in seconds",
      () => ({ do: "status", status: 429, headers: { "retry-after": "7" } }),
      { kind: "retry", after: 7000 },
    ],
    [
      "503 with Retry-After as a date",
      () => ({ do: "status", status: 503, headers: { "retry-after": new Date(NOW + 5000).toUTCString() } }),
      { kind: "retry", after: 5000 },
    ],
    ["408", () => ({ do: "status", status: 408 }), { kind: "retry", late: true, reason: "busy (408)" }],
    [
      "504",
      () => ({ do: "status", status: 504 }),
      { kind: "retry", late: true, unsure: true, reason: "the server fails (504)" },
    ],
    [
      "403 of a firewall, which search servers say in JSON",
      () => ({ do: "status", status: 403, body: "<html>hunter2", headers: { server: "awselb/2.0" } }),
      {
        kind: "retry",
        slow: true,
        reason: "a proxy or firewall refuses the whole request (403 in HTML, awselb/2.0)",
      },
    ],
    [
      "403 of a cloud's rights",
      () => ({ do: "status", status: 403, body: '{"Message":"hunter2 is not authorized"}', headers: json }),
      { kind: "retry", slow: true, reason: "no right to write (403)" },
    ],
    [
      "502 in HTML",
      () => ({ do: "status", status: 502, body: "<html>hunter2" }),
      { kind: "retry", reason: "the server fails (502)" },
    ],
    [
      "200 and HTML",
      () => ({ do: "status", status: 200, body: "<html>hunter2" }),
      { kind: "retry", reason: "nonsense answer: it is not JSON" },
    ],
    [
      "200 and nothing",
      () => ({ do: "status", status: 200 }),
      { kind: "retry", reason: "nonsense answer: it is not JSON" },
    ],
    [
      "200 and half a JSON",
      () => ({ do: "status", status: 200, body: '{"items":[{"hunter2', headers: json }),
      { kind: "retry", reason: "nonsense answer: it is not JSON" },
    ],
    ["200 and no items", () => ({ do: "status", status: 200, body: "{}", headers: json }), { kind: "retry" }],
    ["200 and null", () => ({ do: "status", status: 200, body: "null", headers: json }), { kind: "retry" }],
    [
      "200 and too few items",
      () => ({ do: "status", status: 200, body: '{"items":[{"create":{"status":201}}]}', headers: json }),
      { kind: "retry", reason: "nonsense answer: 1 items for 2 events" },
    ],
    [
      "200 and items of another kind",
      () => ({ do: "status", status: 200, body: '{"items":[{"index":{"status":201}},null]}', headers: json }),
      { kind: "retry" },
    ],
    [
      "an answer that is too long to be one",
      () => ({ do: "status", status: 200, body: `[${" ".repeat(9_000_000)}]`, headers: json }),
      { kind: "split" },
    ],
  ])("answered with %s gets one verdict that says so", async (_, script, expected) => {
    const answer = await verdicts(script);
    for (const verdict of Array.isArray(answer) ? answer : [answer]) expect(verdict).toMatchObject(expected);
    expect(JSON.stringify(answer)).not.toContain("hunter2");
  });

  test.each<[string, Script]>([
    ["never answered", () => ({ do: "never" })],
    ["reset", () => ({ do: "reset", stored: true })],
    ["cut in the middle of its answer", () => ({ do: "cut", stored: true })],
    ["answered too late", () => ({ do: "store", late: 5000 })],
  ])("that is %s throws: nobody knows what became of it", async (_, script) => {
    const bulk = await server(script);
    const es = await sink(bulk.url, { timeout: 1000 });
    await expect(es.send(request(es, [event(0)]), signal)).rejects.toThrow(/no complete answer|connection closed/);
  });

  test("that was stored though its answer got lost is a duplicate the second time", async () => {
    const bulk = await server(({ n }) => (n === 1 ? { do: "reset", stored: true } : { do: "store" }));
    const es = await sink(bulk.url);
    const sent = request(es, [event(0), event(1)]);
    await expect(es.send(sent, signal)).rejects.toThrow();
    expect(await es.send(sent, signal)).toEqual([{ kind: "duplicate" }, { kind: "duplicate" }]);
    expect(bulk.stored.size).toBe(2);
  });
});

test("an event nested deeper than 100 levels goes in safe shape at once: a server may not live to refuse it", async () => {
  const bulk = await server();
  const es = await sink(bulk.url);
  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`) as object;
  const sent = request(es, [
    { ...event(1), requestObject: deep(100) },
    { ...event(2), requestObject: deep(101) },
  ]);
  expect(await es.send(sent, signal)).toEqual({ kind: "done" });
  const [usual, safe] = [...bulk.stored.values()].map((document) => JSON.parse(document.toString()));
  expect(usual).toMatchObject({ auditID: "1", requestObject: deep(100) });
  expect(safe).toMatchObject({
    auditID: "2",
    requestObjectText: JSON.stringify(deep(101)),
    auditship: { safeShape: "nested too deep" },
  });
  expect(safe).not.toHaveProperty("requestObject");
});

describe("a document in safe shape", () => {
  function safe(
    line: string,
    time = "2026-11-21T00:00:00Z",
  ): { action: string; text: string; value: Record<string, unknown> } {
    const letter = { id: "the-id", sink: "", reason: "", time: "", attempts: 1 };
    const members = `{"@timestamp":"${time}","auditship":{"offset":7}}`;
    const out = new ByteWriter();
    safeSink.encodeSafe!(StoredEvent.of({ ...letter, line, members })!, "why", out);
    const [action, text, end] = Buffer.from(out.view()).toString().split("\n");
    expect(end).toBe("");
    return { action, text, value: JSON.parse(text) };
  }
  let safeSink: SendingSink;

  test("keeps id, envelope and our members, and has each body as one string", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    const body = '{ "a":[1.0,{"a":2,"a":3}], "b":"\\u0041" }';
    const { action, value } = safe(
      `{"kind":"Event","user":{"username":"ann","groups":["a","b"],"extra":{"k":["v"]}},"objectRef":{"name":"x"},` +
        `"responseStatus":{"metadata":{},"code":403.0},"requestObject":${body},"responseObject":[{"a":1}],` +
        `"annotations":{"x.y":"z"},"sourceIPs":["1.2.3.4"],"@timestamp":"the client's","auditship":"the client's"}`,
    );
    expect(action).toBe('{"create":{"_index":"audit-2026.11.21","_id":"the-id"}}');
    expect(value).toEqual({
      kind: "Event",
      user: { username: "ann", groups: ["a", "b"], extraText: '{"k":["v"]}' },
      objectRef: { name: "x" },
      responseStatus: { metadataText: "{}", code: 403 },
      requestObjectText: body,
      responseObjectText: '[{"a":1}]',
      annotationsText: '{"x.y":"z"}',
      sourceIPs: ["1.2.3.4"],
      "@timestamp": "2026-11-21T00:00:00Z",
      auditship: { offset: 7, safeShape: "why" },
    });
  });

  test("goes into the index of its own time, in UTC", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    expect(safe("{}", "2026-11-21T01:30:00.123456789+02:00").action).toContain('"audit-2026.11.20"');
  });

  test("keeps numbers as they are written", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    expect(safe('{"responseStatus":{"code":12345678901234567890.0}}').text).toContain(
      '{"responseStatus":{"code":12345678901234567890.0},"@timestamp":',
    );
  });

  test("has each key once, the last one, whatever its spelling", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    const { text } = safe('{"verb":"get","\\u0076erb":"list","user":{"uid":1,"uid":2}}');
    expect(text).toContain('{"verb":"list","user":{"uid":2},"@timestamp":');
  });

  test("has what stands for an object and is none as a string too, for the far end expects an object there", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    const { value } = safe(
      '{"requestObject":"patch","responseObject":[1],"annotations":null,"user":"ann","objectRef":{"name":[1]}}',
    );
    expect(value).toMatchObject({
      requestObjectText: '"patch"',
      responseObjectText: "[1]",
      annotations: null,
      userText: '"ann"',
      objectRef: { name: [1] },
    });
  });

  test("survives bodies that are deep, or full of newlines and quotes", async () => {
    safeSink = await sink("http://127.0.0.1:1");
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    const bodyOf = ({ value: { requestObject, requestObjectText } }: ReturnType<typeof safe>) => {
      expect(requestObject).toBeUndefined();
      return requestObjectText;
    };
    expect(bodyOf(safe(`{"requestObject":${deep}}`))).toBe(deep);
    expect(bodyOf(safe('{"requestObject":{"a":"\\n\\"{}"}}'))).toBe('{"a":"\\n\\"{}"}');
  });
});

describe("the probe", () => {
  test.each([200, 403, 404, 405, 501])("takes %i for an answer", async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end());
    await expect((await sink(url)).probe(signal)).resolves.toBeUndefined();
  });

  test.each([
    [401, "refuses the credentials"],
    [503, "answers with 503"],
  ])("says what %i means", async (status, message) => {
    const url = await serve((_, response) => response.writeHead(status).end());
    await expect((await sink(url)).probe(signal)).rejects.toThrow(message);
  });

  test("says that nobody listens", async () => {
    await expect((await sink("http://127.0.0.1:1")).probe(signal)).rejects.toThrow("connection refused");
  });
});
