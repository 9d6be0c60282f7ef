import { type EventFormat, framed } from "./format.js";

/** What kube-apiserver posts to its own audit webhook; the documents are in shape native, with their id. */
export const events = (): EventFormat => ({
  of: "event",
  type: "application/json",
  batchType: "application/json",
  write: (event, out) => event.writeDocument(out, { id: true }),
  body: (messages) =>
    framed('{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[', messages, "]}"),
});
