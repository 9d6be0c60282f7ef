import { gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import { z } from "zod";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { createHttp } from "../../src/delivery/http.js";
import { ByteWriter, type Request, type SendingSink } from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";
import { events, testHost } from "./support.js";

/** What time it is for the sinks. */
export const NOW = Date.parse("2026-11-21T12:00:00Z");

/** A sink that sends there. */
export async function sink(url: string, options: object = {}, cluster = ""): Promise<SendingSink> {
  const host = testHost({
    cluster,
    now: () => NOW,
    http: (httpOptions) => {
      const http = createHttp(httpOptions, quietHost("sink"));
      onTestFinished(() => http.close());
      return http;
    },
  });
  const parsed = elasticsearch.options(z).parse({ urls: [url], ...options });
  return (await elasticsearch.create(parsed, host)) as SendingSink;
}

/** An event of the day 20 + n of November 2026. */
export const event = (n: number) => ({
  kind: "Event",
  apiVersion: "audit.k8s.io/v1",
  auditID: `${n}`,
  stage: "ResponseComplete",
  stageTimestamp: `2026-11-2${n % 10}T00:00:00.000000Z`,
});

/** A request of what the sink encodes for these events. */
export function request(of: SendingSink, lines: object[], encoding: Request["encoding"] = "identity"): Request {
  const out = new ByteWriter();
  const { selection } = events(...lines);
  const spans: [number, number][] = [];
  const ids: string[] = [];
  for (const view of selection) {
    const start = out.length;
    of.encode(view, out);
    spans.push([start, out.length]);
    ids.push(view.id());
  }
  const plain = out.view();
  return {
    body: encoding === "gzip" ? gzipSync(plain) : plain,
    encoding,
    count: spans.length,
    firstId: ids[0],
    id: (index) => ids[index],
    lastId: ids[ids.length - 1],
    attempt: 0,
    unsure: false,
    item: (index) => plain.subarray(...spans[index]),
  };
}
