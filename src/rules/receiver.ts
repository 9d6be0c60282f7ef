import type { Place } from "../plugin/index.js";

/** A receiver of alerts that stands among the rules: KubeSphere's Webhook resource has them. */
export interface Receiver {
  /** Fit to be a sink's name. */
  readonly name: string;
  readonly type: "alertmanager" | "webhook";
  readonly url: string;
  /** Certificates (PEM) in base64. */
  readonly caBundle?: string;
  readonly place: Place;
}
