import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { z } from "zod";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { createHttp } from "../../src/delivery/http.js";
import { EventBatch } from "../../src/event/index.js";
import {
  type EventView,
  fieldOfPath,
  type Host,
  type HttpClient,
  type HttpOptions,
  type RuleMatch,
  type Selection,
  type Sink,
  type SinkHost,
} from "../../src/plugin/index.js";
import { quietHost } from "../support/far-end.js";

/** An empty directory that goes when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "auditship-sink-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** What a sink told its host. */
export interface Told {
  warnings: string[];
  /** What was said with each of them. */
  fields: object[];
  /** Sum per `name{labels}`. */
  counts: Map<string, number>;
  /** Last value per `name{labels}`. */
  gauges: Map<string, number>;
}

/** A host for a sink under test: paths resolve to `directory`, time is Date.now. */
export function testHost(overrides: Partial<SinkHost & { client: HttpClient }> = {}): SinkHost & { told: Told } {
  const told: Told = { warnings: [], fields: [], counts: new Map(), gauges: new Map() };
  const warn = (fields: object, message: string) => {
    told.warnings.push(message);
    told.fields.push(fields);
  };
  const seriesOf = (name: string, labels: string[]) => `${name}{${labels.join(",")}}`;
  const set = (name: string, value: number, ...labels: string[]) => {
    told.gauges.set(seriesOf(name, labels), value);
  };
  const count = (name: string, value: number, ...labels: string[]) => {
    const series = seriesOf(name, labels);
    told.counts.set(series, (told.counts.get(series) ?? 0) + value);
  };
  const host: Host = {
    name: "test",
    log: { debug() {}, info() {}, warn, error: warn },
    meter: { add: count, set, observe() {} },
    cluster: "",
    node: "",
    labels: {},
    version: "0.0.0",
    resolve: (path) => path,
    signal: new AbortController().signal,
    now: () => Date.now(),
    field: fieldOfPath,
  };
  return {
    ...host,
    http: () => overrides.client ?? unused(),
    condition: unused,
    told,
    ...overrides,
  };
}

/** The agent's HTTP client, closed when the test ends. */
export function httpAt(url: string, options: Partial<HttpOptions> = {}): HttpClient {
  const parsed = elasticsearch.options(z).parse({ urls: [url], ...options }) as HttpOptions;
  const http = createHttp(parsed, quietHost("sink"));
  onTestFinished(() => http.close());
  return http;
}

/** An elasticsearch sink that talks to a real server. */
export function elasticsearchAt(url: string, options: object = {}, overrides: Partial<SinkHost> = {}): Sink {
  const host = testHost({ http: () => httpAt(url), ...overrides });
  return elasticsearch.create(elasticsearch.options(z).parse({ urls: [url], ...options }), host) as Sink;
}

/** Events that are nothing but their documents. */
export function documents(...lines: string[]): Selection {
  const views = lines.map((line) => ({ writeDocument: (out) => out.text(line) }) as EventView);
  return { count: views.length, [Symbol.iterator]: () => views[Symbol.iterator]() };
}

/** Real events, one line each, all of which the sink selected. */
export function events(...lines: object[]): { batch: EventBatch; selection: Selection } {
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const file = { fingerprint: "00".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 0, time: 0 };
  const batch = new EventBatch({ capacity: bytes.length, documents: { cluster: "", node: "", labels: {} } });
  batch.load({ bytes, length: bytes.length, file, offset: 0 }, "apiserver");
  const views = function* () {
    for (let row = 0; row < batch.count; row++) yield batch.at(row);
  };
  return { batch, selection: { count: batch.count, [Symbol.iterator]: views } };
}

/** A match that archives and alerts. */
export function match(more: Partial<RuleMatch> = {}): RuleMatch {
  return {
    rule: "secret-read",
    dialect: "kubesphere",
    priority: "WARNING",
    rank: 2,
    actions: ["archived", "alerting"],
    tags: [],
    facts: {},
    message: () => "a secret was read",
    ...more,
  };
}

function unused(): never {
  throw new Error("this test gives its sink no such thing");
}
