import type { Host } from "../../../src/plugin/index.js";
import { KubeSphere } from "../elasticsearch/shapes/kubesphere.js";
import type { EventFormat } from "./format.js";

/**
 * What KubeSphere posts to its receivers of type webhook: each event alone, as the document that it archives, whose `Message` is
 * the rules'. Source: `WebhookExporter.Export` of kube-auditing.
 */
export const kubesphere = ({ cluster }: Host): EventFormat => {
  const shape = new KubeSphere(cluster);
  return {
    of: "event",
    type: "application/json",
    write: (event, out) => shape.write(event, out),
    body: ([message]) => Buffer.from(message),
  };
};
