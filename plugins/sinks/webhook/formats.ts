import type { ByteWriter, EventView, Host } from "../../../src/plugin/index.js";

/** What a receiver gets. */
export interface Format {
  /** Content types of many events, and of one. */
  batchType: string;
  type: string;
  /** What stands around the events, which are parted by commas. */
  batchFrame: readonly [before: string, after: string];
  frame: readonly [before: string, after: string];
  /** Appends one event, without a newline in it. */
  write(event: EventView, out: ByteWriter): void;
}

const EVENT_LIST = ['{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[', "]}"] as const;

/** What kube-apiserver posts to its own audit webhook; the documents are in shape native, with their id. */
const events = (): Format => ({
  batchType: "application/json",
  type: "application/json",
  batchFrame: EVENT_LIST,
  frame: EVENT_LIST,
  write: (event, out) => event.writeDocument(out, { id: true }),
});

/** CloudEvents 1.0, JSON format and JSON batch format; `data` is the document in shape native. */
const cloudevents = ({ cluster, node }: Host): Format => ({
  batchType: "application/cloudevents-batch+json; charset=utf-8",
  type: "application/cloudevents+json; charset=utf-8",
  batchFrame: ["[", "]"],
  frame: ["", ""],
  write(event, out) {
    const source = ["", "auditship", cluster, node, event.batch.source].map(encodeURIComponent).join("/");
    const time = new Date(event.timeMs()).toISOString();
    out.text('{"specversion":"1.0","type":"io.k8s.audit.event","datacontenttype":"application/json",');
    out.text(`"id":${JSON.stringify(event.id())},"source":${JSON.stringify(source)},"time":"${time}","data":`);
    event.writeDocument(out, { id: true });
    out.text("}");
  },
});

export const FORMATS: Record<"events" | "cloudevents", (host: Host) => Format> = { events, cloudevents };
