import type { Place } from "../plugin/index.js";

/** A receiver of alerts that is defined among the rules, in KubeSphere's Webhook resource. */
export interface Receiver {
  /** Valid as a sink's name. */
  readonly name: string;
  readonly type: "alertmanager" | "webhook";
  readonly url: string;
  /** PEM certificates in base64. */
  readonly caBundle?: string;
  readonly place: Place;
}
