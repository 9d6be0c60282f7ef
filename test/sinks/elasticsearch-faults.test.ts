import type { IncomingMessage, ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { DeadLetters } from "../../src/delivery/dead-letters.js";
import { Ledger } from "../../src/delivery/ledger.js";
import { createSelect } from "../../src/delivery/select.js";
import { SendingRunner } from "../../src/delivery/sending.js";
import { StoredEvent } from "../../src/pipeline/stored-event.js";
import { auditLine, batchOf } from "../support/batches.js";
import { quietHost } from "../support/far-end.js";
import { serve } from "../support/serve.js";
import { sink } from "./elasticsearch.js";
import { temporaryDirectory } from "./support.js";

type Items = { create: { status: number } }[];
/** Answers a request in its own way; `items` is what Elasticsearch would say. */
type Fault = (response: ServerResponse, items: Items) => void;

const json = (response: ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
};
const html = (response: ServerResponse, status: number): void => {
  response.writeHead(status, { "content-type": "text/html" }).end("<html><body>Bad gateway</body></html>");
};

/** What a server, or what stands before it, does in place of an answer. */
const FAULTS: [string, Fault][] = [
  ["answers 200 without items", (response) => json(response, { took: 1, errors: false })],
  ["answers 200 with errors and no items", (response) => json(response, { errors: true })],
  ["answers 200 with null", (response) => json(response, null)],
  ["answers 200 with HTML", (response) => html(response, 200)],
  ["answers 200 with nothing", (response) => response.writeHead(200).end()],
  ["answers 502 with HTML", (response) => html(response, 502)],
  ["answers 503 with JSON that is none of a server", (response) => json(response, [[[]]], 503)],
  ["answers 504", (response) => html(response, 504)],
  ["answers with fewer items", (response, items) => json(response, { items: items.slice(1) })],
  [
    "answers with more items",
    (response, items) => json(response, { items: [...items, ...items, { create: { status: 201 } }] }),
  ],
  ["answers with items that are none", (response) => json(response, { items: Array(10).fill(null) })],
  [
    "answers with a status that is text",
    (response) => json(response, { items: Array(10).fill({ create: { status: "201" } }) }),
  ],
  ["closes the connection before it answers", (response) => response.socket!.destroy()],
  ["resets the connection before it answers", (response) => response.socket!.resetAndDestroy()],
  [
    "cuts its answer in the middle of the head",
    (response) => response.socket!.end("HTTP/1.1 200 OK\r\ncontent-type: appl"),
  ],
  [
    "cuts its answer in the middle of the items",
    (response) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write('{"items":[{"create":{"status":201}},{"cre', () => response.socket!.destroy());
    },
  ],
  [
    "ends a chunked answer too early",
    (response) => response.socket!.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"ite\r\n'),
  ],
  ["never answers", () => {}],
  [
    "sends its head byte by byte and never ends",
    (response) => {
      const drip = setInterval(() => response.socket?.write("x"), 20).unref();
      response.socket!.once("close", () => clearInterval(drip));
      response.socket!.write("HTTP/1.1 200 OK\r\nx-slow: ");
    },
  ],
  [
    "answers after the time-out",
    (response, items) => {
      const late = setTimeout(() => json(response, { items }), 600).unref();
      response.socket!.once("close", () => clearTimeout(late));
    },
  ],
  [
    "answers with 100 MB",
    (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      let left = 100;
      const more = () => {
        while (left > 0 && response.write(Buffer.alloc(1 << 20, " "))) left--;
        if (left <= 0) response.end();
      };
      response.on("drain", more);
      more();
    },
  ],
  ["redirects to another", (response) => response.writeHead(307, { location: "http://127.0.0.1:1/_bulk" }).end()],
  ["speaks no HTTP", (response) => response.socket!.end("SSH-2.0-OpenSSH_9.2\r\n")],
];

/** Takes `_bulk` as Elasticsearch does. The first request is stored and answered by the fault, the second only answered. */
async function faulty(fault: Fault) {
  const stored = new Set<string>();
  let requests = 0;
  const create = (ids: string[]): Items =>
    ids.map((id) => {
      const status = stored.has(id) ? 409 : 201;
      stored.add(id);
      return { create: { status } };
    });
  const url = await serve(async (request, response) => {
    response.on("error", () => {});
    const ids = idsOf(await bodyOf(request));
    if (request.method === "HEAD") response.end();
    else if (++requests === 1) fault(response, create(ids));
    else if (requests === 2) fault(response, []);
    else json(response, { items: create(ids) });
  });
  return { url, stored, count: () => requests };
}

const idsOf = (body: Buffer): string[] =>
  [...body.toString().matchAll(/^\{"create":.*"_id":"([^"]+)"\}\}$/gm)].map(([, id]) => id);

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks);
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
}

/** Delivers 20 events as the agent does, and says what was counted. */
async function deliver(urls: string[], options: object = {}): Promise<{ counted: Map<string, number>; ids: string[] }> {
  const counted = new Map<string, number>();
  const host = quietHost("archive", counted);
  const letters = new DeadLetters(
    await temporaryDirectory(),
    "archive",
    { maxSize: 1 << 20, whenFull: "park" },
    host.meter,
  );
  onTestFinished(() => letters.close());
  const runner = new SendingRunner(
    await sink(urls[0], { urls, timeout: "400ms", ...options }),
    host,
    {
      request: { maxBytes: 1 << 20, maxEvents: 10, maxWait: 5 },
      retry: { initial: 1, max: 5, slow: 5 },
      concurrency: 1,
      memory: 32 << 20,
      compression: "gzip",
      stallAfter: 20_000,
      select: createSelect("all", () => () => true),
    },
    { deadLetters: letters, viewLetter: (letter) => StoredEvent.of(letter) },
  );
  onTestFinished(() => runner.close());
  const ledger = new Ledger();
  runner.addLedger(ledger);
  await runner.begin();
  const batch = batchOf(Array.from({ length: 20 }, (_, number) => auditLine(number)));
  await runner.offer(batch, ledger, true);
  await runner.drain();
  expect(ledger.cursor).toEqual(batch.end);
  expect(letters.count).toBe(0);
  return { counted, ids: Array.from({ length: 20 }, (_, row) => batch.at(row).id()) };
}

const events = (counted: Map<string, number>, result: string) =>
  counted.get(`auditship_sink_events_total archive ${result}`) ?? 0;

test.each(FAULTS)("nothing is lost, and nothing stored twice, by a server that %s", async (_, fault) => {
  const { url, stored } = await faulty(fault);
  const { counted, ids } = await deliver([url]);
  expect([...stored].sort()).toEqual(ids.sort());
  expect(events(counted, "created") + events(counted, "duplicate")).toBe(20);
  expect(events(counted, "conflict")).toBe(0);
});

test("a connection that the server closes between two requests costs nothing", async () => {
  const stored = new Set<string>();
  let answered = 0;
  const url = await serve(async (request, response) => {
    const ids = idsOf(await bodyOf(request));
    for (const id of ids) stored.add(id);
    // No `connection: close`: the client finds out when it sends the next request.
    json(response, { items: ids.map(() => ({ create: { status: 201 } })) });
    response.socket!.end();
    answered++;
  });
  const { counted, ids } = await deliver([url], { timeout: "20s" });
  expect([...stored].sort()).toEqual(ids.sort());
  expect([events(counted, "created"), answered]).toEqual([20, 2]);
});

test.each([
  ["nobody listens", () => "http://127.0.0.1:1"],
  ["the name does not resolve", () => "http://nowhere.invalid:9200"],
])("an endpoint where %s is passed over, and nothing is sent twice", async (_, dead) => {
  const { url, stored } = await faulty((response, items) =>
    json(response, { items: items.length > 0 ? items : undefined }),
  );
  const { counted, ids } = await deliver([dead(), url]);
  expect([...stored].sort()).toEqual(ids.sort());
  expect(events(counted, "conflict")).toBe(0);
});
