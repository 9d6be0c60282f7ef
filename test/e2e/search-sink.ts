import { z } from "zod";
import elasticsearch from "../../plugins/sinks/elasticsearch.js";
import { createHttp } from "../../src/delivery/http.js";
import { EventBatch } from "../../src/event/index.js";
import { ByteWriter, type EventView, type Request, type SendingSink, type Verdict } from "../../src/plugin/index.js";
import { testHost } from "../sinks/support.js";
import { quietHost } from "../support/far-end.js";
import { stored } from "../support/stored.js";

const signal = new AbortController().signal;

/** Makes a sink as the agent does. */
export async function openSink(options: object): Promise<SendingSink> {
  const host = testHost({ http: (http) => createHttp(http, quietHost("archive")) });
  return (await elasticsearch.create(elasticsearch.options(z).parse(options), host)) as SendingSink;
}

let lines = 0;

/** An event as if it were a line of its own file. */
export function eventOf(line: string): EventView {
  const bytes = Buffer.from(`${line}\n`);
  const documents = { cluster: "e2e", node: "", labels: { env: "test" } };
  const batch = new EventBatch({ capacity: bytes.length, documents });
  const file = { fingerprint: "ab".repeat(32), id: "AAAAAAAAAAAAAAAA", ordinal: 0, time: 0 };
  batch.load({ bytes, length: bytes.length, file, offset: lines++ * 1000 }, "apiserver");
  return batch.at(0);
}

type Encode = (event: EventView, out: ByteWriter) => void;

/** A request of these events, as `encode` makes it of each. */
function requestOf(events: readonly EventView[], encode: Encode, unsure = false): Request {
  const out = new ByteWriter();
  for (const event of events) encode(event, out);
  const ids = events.map((event) => event.id());
  const common = { encoding: "identity", attempt: 0, unsure, firstId: ids[0], lastId: ids[ids.length - 1] } as const;
  return { ...common, body: out.view(), count: ids.length, id: (index) => ids[index], item: () => out.view() };
}

async function verdicts(sink: SendingSink, request: Request): Promise<Verdict[]> {
  const answer = await sink.send(request, signal);
  return Array.isArray(answer) ? answer : Array.from({ length: request.count }, () => answer);
}

/** Sends events for the first time. */
export const send = (sink: SendingSink, ...events: EventView[]): Promise<Verdict[]> =>
  verdicts(
    sink,
    requestOf(events, (event, out) => sink.encode(event, out)),
  );

/** Sends events that may have been sent before. */
export const sendAgain = (sink: SendingSink, ...events: EventView[]): Promise<Verdict[]> =>
  verdicts(
    sink,
    requestOf(events, (event, out) => sink.encode(event, out), true),
  );

/** Sends an event in safe shape. */
export const sendSafe = (sink: SendingSink, event: EventView, reason: string): Promise<Verdict[]> =>
  verdicts(
    sink,
    requestOf([stored(event)], (view, out) => sink.encodeSafe!(view, reason, out)),
  );

/** Sends whatever bytes as one event of a request with others. */
export const sendBytes = (sink: SendingSink, text: string, ...events: EventView[]): Promise<Verdict[]> =>
  verdicts(
    sink,
    requestOf([events[0], ...events], (event, out) => (out.length === 0 ? out.text(text) : sink.encode(event, out))),
  );

/** An audit event's line: `more` of members behind the usual ones. */
export const line = (auditID: string, more = "", day = "2026-11-21"): string =>
  `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"${auditID}","stage":"ResponseComplete",` +
  `"verb":"create","user":{"username":"ann","extra":{"a.b":["c"]}},"sourceIPs":["10.0.0.1"],"objectRef":{"resource":"pods","name":"x"},` +
  `"responseStatus":{"metadata":{},"code":201},"requestReceivedTimestamp":"${day}T00:00:00.000001Z",` +
  `"stageTimestamp":"${day}T00:00:00.000002Z","annotations":{"authorization.k8s.io/decision":"allow"}${more}}`;
