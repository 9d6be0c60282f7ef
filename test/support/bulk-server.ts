import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { listen } from "./listen.js";

/** One `create` of a bulk request. */
export interface BulkItem {
  index: string;
  id: string;
  document: Buffer;
}

export interface BulkRequest {
  /** 1 for the first request of this server. */
  n: number;
  headers: IncomingHttpHeaders;
  /** Bytes as they came. */
  bytes: number;
  items: BulkItem[];
}

/** What the server says to one item: a status, with the error's type and reason. */
export interface ItemAnswer {
  status: number;
  type?: string;
  reason?: string;
}

/**
 * What the server does with a bulk request:
 * - `store`: what Elasticsearch does: 201, or 409 for an id that it has. `item` overrules it for single items, `late` are
 *   milliseconds, `close` closes the connection behind the answer without having said so.
 * - `status`: answers so, stores nothing unless `stored`.
 * - `never`, `reset`: no answer; `reset` cuts the connection. `cut`: half of the answer, then cuts the connection.
 * - `drip`: headers and answer byte by byte, so slowly that it never ends.
 */
export type Answer =
  | { do: "store"; item?: (item: BulkItem, index: number) => ItemAnswer | undefined; late?: number; close?: boolean }
  | { do: "status"; status: number; body?: string; headers?: Record<string, string>; stored?: boolean }
  | { do: "never" | "reset" | "cut" | "drip"; stored?: boolean };

export type Script = (request: BulkRequest) => Answer;

export interface BulkServer {
  url: string;
  /** Says what happens to bulk requests; may be replaced at any time. */
  script: Script;
  /** False: whatever else is asked is answered with 503, as a probe of a cluster that is down. */
  healthy: boolean;
  /** The document of each id that was stored; empty without `keep`. */
  stored: Map<string, Buffer>;
  /** How often each id was sent. */
  sent: Map<string, number>;
  requests: number;
  bytes: number;
  /** What was wrong with the requests: not NDJSON, no `create`, a document that is no JSON. */
  problems: string[];
  close(): Promise<void>;
}

interface BulkServerOptions {
  port?: number;
  script?: Script;
  /** Keep the documents and check them; without, only counts are kept (bench). Default true. */
  keep?: boolean;
  /** Called once for each id when it is stored. */
  onStored?: (item: BulkItem) => void;
}

/** A null Elasticsearch: takes `_bulk`, answers by a script, keeps count. */
export async function startBulkServer(options: BulkServerOptions = {}): Promise<BulkServer> {
  const { script = () => ({ do: "store" }), keep = true, onStored } = options;
  const server = createServer((request, response) => {
    handle(request, response).catch((error: Error) => {
      bulk.problems.push(error.message);
      response.destroy();
    });
  });
  const bulk: BulkServer = {
    url: "",
    script,
    healthy: true,
    stored: new Map(),
    sent: new Map(),
    requests: 0,
    bytes: 0,
    problems: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const raw = await bodyOf(request);
    if (!request.url?.split("?")[0].endsWith("/_bulk")) return send(response, bulk.healthy ? 200 : 503, NODE);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    const items = parse(body, { check: keep, documents: keep || onStored !== undefined }, bulk.problems);
    const bulkRequest = { n: ++bulk.requests, headers: request.headers, bytes: raw.length, items };
    bulk.bytes += raw.length;
    for (const { id } of items) bulk.sent.set(id, (bulk.sent.get(id) ?? 0) + 1);
    await respond(response, bulkRequest, bulk.script(bulkRequest));
  };

  const store = (items: readonly BulkItem[], overrule?: (item: BulkItem, index: number) => ItemAnswer | undefined) =>
    items.map((item, index) => {
      const said = overrule?.(item, index);
      if (said) return answerItem(said);
      if (bulk.stored.has(item.id)) return answerItem({ status: 409, type: "version_conflict_engine_exception" });
      bulk.stored.set(item.id, keep ? item.document : EMPTY);
      onStored?.(item);
      return answerItem({ status: 201 });
    });

  const respond = async (response: ServerResponse, request: BulkRequest, answer: Answer): Promise<void> => {
    if (answer.do === "store") {
      const items = store(request.items, answer.item);
      if (answer.late) await sleep(answer.late, undefined, { ref: false });
      if (answer.close) response.on("finish", () => response.socket?.end());
      return send(response, 200, { errors: items.some((item) => "error" in item.create), items });
    }
    if (answer.stored) store(request.items);
    if (answer.do === "status") return send(response, answer.status, answer.body ?? "", answer.headers);
    if (answer.do === "reset") response.socket?.resetAndDestroy();
    if (answer.do === "drip") {
      response.writeHead(200, { "content-type": "application/json" });
      const drip = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(drip));
    }
    if (answer.do === "cut") {
      response.writeHead(200, { "content-type": "application/json", "content-length": 1000 });
      response.write('{"items":[', () => response.socket?.resetAndDestroy());
    }
  };

  bulk.url = await listen(server, options.port);
  return bulk;
}

const EMPTY = Buffer.alloc(0);
const NODE = { version: { number: "8.0.0" }, tagline: "a null server" };
const NEWLINE = 0x0a;
const ACTION = /^\{"create":\{"_index":"([^"]+)","_id":"([^"]+)"\}\}$/;

function parse(body: Buffer, want: { check: boolean; documents: boolean }, problems: string[]): BulkItem[] {
  const items: BulkItem[] = [];
  if (body.at(-1) !== NEWLINE) problems.push("the last line has no newline");
  for (let start = 0; start < body.length; ) {
    const middle = body.indexOf(NEWLINE, start);
    const end = body.indexOf(NEWLINE, middle + 1);
    if (middle < 0 || end < 0) {
      problems.push("an action without a document");
      break;
    }
    const action = ACTION.exec(body.toString("utf8", start, middle));
    const document = want.documents ? body.subarray(middle + 1, end) : EMPTY;
    if (!action) problems.push("a line that is no create action");
    else items.push({ index: action[1], id: action[2], document });
    if (want.check && !isObject(document)) problems.push("a document that is no JSON object");
    start = end + 1;
  }
  return items;
}

function isObject(document: Buffer): boolean {
  try {
    const value = JSON.parse(document.toString("utf8")) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const answerItem = ({ status, type, reason = "" }: ItemAnswer) => ({
  create: type === undefined ? { status } : { status, error: { type, reason } },
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(
  response: ServerResponse,
  status: number,
  body: object | string,
  headers: Record<string, string> = {},
): void {
  const type = typeof body === "object" ? "application/json" : "text/html";
  response.writeHead(status, { "content-type": type, ...headers });
  response.end(typeof body === "object" ? JSON.stringify(body) : body);
}
