import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import type { Request, Verdict } from "../../src/plugin/index.js";
import { serve } from "../support/serve.js";
import { event, request, sink } from "./elasticsearch.js";

const NOWHERE = "http://127.0.0.1:1";
const signal = new AbortController().signal;

/** The action lines of what the sink encodes for the events. */
async function actions(options: object, lines: object[], cluster = ""): Promise<object[]> {
  const es = await sink(NOWHERE, options, cluster);
  const body = Buffer.from(request(es, lines).body).toString().trimEnd().split("\n");
  return body.filter((_, n) => n % 2 === 0).map((line) => (JSON.parse(line) as { create: object }).create);
}

describe("a target", () => {
  test.each([
    ["an index per UTC day of the event, by default", {}, "audit-2026.11.21"],
    ["an index of another name", { index: "k8s-{date}-{cluster}" }, "k8s-2026.11.21-prod-1"],
    ["one index for all days", { index: "audit" }, "audit"],
    ["a data stream", { dataStream: "audit-{cluster}" }, "audit-prod-1"],
  ])("is %s", async (_, options, expected) => {
    expect(await actions(options, [event(1)], "Prod-1")).toMatchObject([{ _index: expected }]);
  });

  test.each([
    ["two targets", { index: "a", dataStream: "b" }, "exclude each other"],
    ["a data stream per day", { dataStream: "audit-{date}" }, "a data stream holds all days"],
    ["a data stream and a routing", { dataStream: "a", routing: "objectRef.namespace" }, "data streams take none"],
    ["a routing by what is no field", { routing: "objectRef.shard" }, "is no field of an audit event"],
    ["a data stream whose name is none", { dataStream: "Audit" }, "is no name"],
    ["a data stream of a cluster without a name", { dataStream: "{cluster}" }, "set cluster"],
  ])("that is %s is refused before anything is sent", async (_, options, message) => {
    const error = (await sink(NOWHERE, options).catch((cause: Error) => cause)) as Error;
    expect(error).toMatchObject({ code: "AUDITSHIP_CONFIG_VALUE" });
    expect(error.message).toContain(message);
  });
});

describe("a routing", () => {
  const routing = "objectRef.namespace";
  const inNamespace = (namespace: unknown) => ({ ...event(1), objectRef: { namespace } });

  test("is the field's value", async () => {
    expect(await actions({ routing }, [inNamespace("shop")])).toMatchObject([{ routing: "shop" }]);
  });

  test.each([
    ["is not there", undefined],
    ["is no plain text", 'a","_index":"b'],
    ["is long", "x".repeat(201)],
    ["is empty", ""],
  ])("is left to the id where the value %s", async (_, namespace) => {
    const [action] = await actions({ routing }, [inNamespace(namespace)]);
    expect(Object.keys(action)).toEqual(["_index", "_id"]);
  });
});

test("an ingest pipeline is named in the request", async () => {
  let url: string | undefined;
  const server = await serve((request, response) => {
    url = request.url;
    request.resume().on("end", () => response.end('{"items":[{"create":{"status":201}}]}'));
  });
  const es = await sink(server, { pipeline: "geo ip" });
  expect(await es.send(request(es, [event(1)]), signal)).toEqual({ kind: "done" });
  expect(url).toMatch(/^\/_bulk\?filter_path=.*&pipeline=geo%20ip$/);
});

/** A server with one data stream, as far as its sink asks. */
class Stream {
  /** Ids by backing index, oldest first; the last one is written to. */
  readonly indices: Record<string, Set<string>> = { "stream-1": new Set() };
  /** When each was made; the first of November without. */
  readonly made: Record<string, string> = {};
  readonly asked: string[] = [];
  /** What it answers in place of its own answers to a path that begins so. */
  instead: Record<string, { status: number; body: unknown }> = {};

  async answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const [path] = decodeURIComponent(request.url!).split("?");
    this.asked.push(`${request.method} ${path}`);
    const instead = Object.entries(this.instead).find(([start]) => path.startsWith(start));
    if (instead) return instead[1];
    const names = Object.keys(this.indices);
    if (path === "/audit/_settings/index.creation_date") {
      const settings = names.map((name) => {
        const creation_date = `${Date.parse(this.made[name] ?? "2026-11-01T00:00:00Z")}`;
        return [name, { settings: { index: { creation_date } } }];
      });
      return { status: 200, body: Object.fromEntries(settings) };
    }
    if (path === "/_bulk") return { status: 200, body: { items: this.#create(body, this.indices[names.at(-1)!]) } };
    const ids = this.indices[path.split("/")[1]];
    const { ids: wanted } = JSON.parse(body) as { ids: string[] };
    return { status: 200, body: { docs: wanted.map((_id) => ({ _id, found: ids.has(_id) })) } };
  }

  #create(body: string, index: Set<string>): object[] {
    return [...body.matchAll(/"_index":"audit","_id":"([^"]+)"/g)].map(([, id]) => {
      const status = index.has(id) ? 409 : 201;
      index.add(id);
      return { create: { status } };
    });
  }
}

describe("a request to a data stream", () => {
  async function setUp(encoding: Request["encoding"] = "identity") {
    const stream = new Stream();
    const url = await serve(async (request, response) => {
      const { status, body } = await stream.answer(request);
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    const es = await sink(url, { dataStream: "audit" });
    const fresh = request(es, [event(0), event(1), event(2)], encoding);
    const unsure = { ...fresh, unsure: true };
    const ids = [0, 1, 2].map((index) => fresh.id(index));
    const send = (request: Request) => es.send(request, signal) as Promise<Verdict[]>;
    return { stream, ids, fresh, unsure, send };
  }

  test("that was never sent is sent, and nothing looked up", async () => {
    const { stream, fresh, send } = await setUp();
    expect(await send(fresh)).toEqual({ kind: "done" });
    expect(stream.asked).toEqual(["POST /_bulk"]);
  });

  test.each(["identity", "gzip"] as const)(
    "that may be stored is stored once though there was a rollover since (%s)",
    async (encoding) => {
      const { stream, ids, unsure, send } = await setUp(encoding);
      stream.indices["stream-1"] = new Set([ids[1]]);
      stream.indices["stream-2"] = new Set([ids[2]]);
      stream.made["stream-2"] = "2026-11-02T00:00:00Z";
      expect(await send(unsure)).toEqual([{ kind: "done" }, { kind: "duplicate" }, { kind: "duplicate" }]);
      expect(Object.values(stream.indices)).toEqual([new Set([ids[1]]), new Set([ids[2], ids[0]])]);
    },
  );

  test("that is stored as a whole is not sent again", async () => {
    const { stream, ids, unsure, send } = await setUp();
    stream.indices["stream-1"] = new Set(ids);
    stream.indices["stream-2"] = new Set();
    expect((await send(unsure)).map(({ kind }) => kind)).toEqual(["duplicate", "duplicate", "duplicate"]);
    expect(stream.asked).not.toContain("POST /_bulk");
  });

  test("that may be stored is stored once however often there was a rollover since its events", async () => {
    const { stream, ids, unsure, send } = await setUp();
    stream.indices["stream-1"] = new Set([ids[0]]);
    for (const day of ["20", "21", "22", "23", "24"]) {
      stream.indices[`stream-${day}`] = new Set(day === "21" ? [ids[1], ids[2]] : []);
      stream.made[`stream-${day}`] = `2026-11-${day}T12:00:00Z`;
    }
    expect((await send(unsure)).map(({ kind }) => kind)).toEqual(["duplicate", "duplicate", "duplicate"]);
    expect(stream.asked).not.toContain("POST /_bulk");
  });

  test("asks the newest backing indices first, and none that was rolled over before its events", async () => {
    const { stream, unsure, send } = await setUp();
    for (const day of ["10", "11", "12"]) {
      stream.indices[`stream-${day}`] = new Set();
      stream.made[`stream-${day}`] = `2026-11-${day}T12:00:00Z`;
    }
    await send(unsure);
    expect(stream.asked).toEqual([
      "GET /audit/_settings/index.creation_date",
      "POST /stream-12/_mget",
      "POST /stream-11/_mget",
      "POST /_bulk",
    ]);
  });

  test("asks for no more once all of it is found", async () => {
    const { stream, ids, unsure, send } = await setUp();
    stream.indices["stream-2"] = new Set(ids);
    stream.made["stream-2"] = "2026-11-30T00:00:00Z";
    await send(unsure);
    expect(stream.asked).toEqual(["GET /audit/_settings/index.creation_date", "POST /stream-2/_mget"]);
  });

  test("that is not there yet is sent", async () => {
    const { stream, unsure, send } = await setUp();
    stream.instead["/audit"] = { status: 404, body: { error: { type: "index_not_found_exception" }, status: 404 } };
    expect(await send(unsure)).toEqual({ kind: "done" });
  });

  const error = (type: string) => ({ error: { type, reason: "hunter2" } });
  test.each<[string, number, unknown, Partial<Verdict>]>([
    [
      "/audit",
      401,
      error("security_exception"),
      { kind: "retry", slow: true, reason: "the credentials are refused (401)" },
    ],
    [
      "/audit",
      403,
      error("security_exception"),
      { kind: "retry", slow: true, reason: expect.stringContaining("no right to look up") },
    ],
    ["/audit", 404, "not found", { kind: "retry", slow: true }],
    ["/audit", 503, "", { kind: "retry", reason: "cannot look up what is stored (503)" }],
    [
      "/stream-1",
      429,
      error("circuit_breaking_exception"),
      { kind: "retry", reason: "cannot look up what is stored (429)" },
    ],
    ["/stream-1", 413, "", { kind: "split" }],
    ["/stream-1", 200, { docs: [] }, { kind: "retry", reason: expect.stringContaining("nonsense") }],
    ["/stream-1", 200, "<html>", { kind: "retry", reason: expect.stringContaining("nonsense") }],
    [
      "/stream-1",
      200,
      { docs: [0, 1, 2].map(() => ({ _id: "x", ...error("no_shard_available_action_exception") })) },
      { kind: "retry", reason: "cannot look up what is stored" },
    ],
  ])("is not sent as long as %s is answered with %i", async (path, status, body, expected) => {
    const { stream, unsure, send } = await setUp();
    stream.instead[path] = { status, body };
    const verdict = await send(unsure);
    expect(verdict).toMatchObject(expected);
    expect(JSON.stringify(verdict)).not.toContain("hunter2");
    expect(stream.asked).not.toContain("POST /_bulk");
  });

  test("is sent when an index went between the two questions", async () => {
    const { stream, unsure, send } = await setUp();
    stream.instead["/stream-1"] = {
      status: 200,
      body: { docs: [0, 1, 2].map(() => ({ _id: "x", ...error("index_not_found_exception") })) },
    };
    expect(await send(unsure)).toEqual({ kind: "done" });
  });
});
