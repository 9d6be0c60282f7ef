import type { Host } from "../../../src/plugin/index.js";
import { type EventFormat, framed } from "./format.js";
import { timeOf } from "./time.js";

/** CloudEvents 1.0, JSON format and JSON batch format; `data` is the document in shape native. */
export const cloudevents = ({ cluster, node }: Host): EventFormat => ({
  of: "event",
  type: "application/cloudevents+json; charset=utf-8",
  batchType: "application/cloudevents-batch+json; charset=utf-8",
  write(event, out) {
    const source = ["", "auditship", cluster, node, event.batch.source].map(encodeURIComponent).join("/");
    out.text('{"specversion":"1.0","type":"io.k8s.audit.event","datacontenttype":"application/json",');
    out.text(`"id":${JSON.stringify(event.id())},"source":${JSON.stringify(source)},"time":"${timeOf(event)}","data":`);
    event.writeDocument(out, { id: true });
    out.text("}");
  },
  body: (messages, batch) => (batch ? framed("[", messages, "]") : Buffer.from(messages[0])),
});
