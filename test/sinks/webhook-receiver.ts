import { createServer, type IncomingHttpHeaders } from "node:http";
import { gunzipSync, gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { z } from "zod";
import webhook from "../../plugins/sinks/webhook.js";
import { createHttp } from "../../src/delivery/http.js";
import { ByteWriter, type Request, type RuleMatch, type SendingSink } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";
import { serve } from "../support/serve.js";
import { events, testHost } from "./support.js";

export const NOW = Date.parse("2026-11-21T12:00:00Z");
export const signal = new AbortController().signal;

interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Receiver {
  url: string;
  received: Received[];
}

export type Answer = { status: number; headers?: Record<string, string> } | "reset" | "never";

export async function receiver(
  answer: (n: number, body: Buffer) => Answer = () => ({ status: 200 }),
): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = "", url = "", headers } = request;
    const body = Buffer.concat(chunks);
    received.push({ method, url, headers, body });
    const said = answer(received.length, headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
    if (said === "reset") request.socket.destroy();
    else if (said !== "never") response.writeHead(said.status, said.headers).end("no matter what");
  });
  return { url: `${await serve(server)}/hook?key=x`, received };
}

export async function sink(options: object): Promise<SendingSink> {
  const host = testHost({
    cluster: "prod 1",
    node: "cp-1",
    now: () => NOW,
    http: (httpOptions) => {
      const http = createHttp(httpOptions, quietHost("sink"));
      onTestFinished(() => http.close());
      return http;
    },
  });
  return (await webhook.create(webhook.options(z).parse(options), host)) as SendingSink;
}

export const event = (auditID: string) => ({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  auditID,
  stage: "ResponseComplete",
  stageTimestamp: "2026-11-21T00:00:00.000001Z",
  requestObject: { text: "a b, c" },
});

/** A request with these events, each with these matches. */
export function request(
  of: SendingSink,
  lines: object[],
  { encoding = "identity", matches = [] }: { encoding?: Request["encoding"]; matches?: RuleMatch[] } = {},
): Request & { ids: string[] } {
  const out = new ByteWriter();
  const ids: string[] = [];
  const { batch, selection } = events(...lines);
  for (let row = 0; row < batch.count; row++) for (const match of matches) batch.addMatch(row, match);
  for (const view of selection) {
    of.encode(view, out);
    ids.push(view.id());
  }
  const plain = out.view();
  const body = encoding === "gzip" ? gzipSync(plain) : plain;
  const count = ids.length;
  return {
    body,
    encoding,
    count,
    ids,
    firstId: ids[0],
    lastId: ids[count - 1],
    attempt: 0,
    unsure: false,
    id: (index) => ids[index],
    item: () => plain,
  };
}
