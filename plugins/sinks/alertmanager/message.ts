import type { Rendering } from "../alerts/rendering.js";
import type { Alert } from "./table.js";

/** One alert as it is sent. */
export interface Message {
  readonly key: string;
  readonly alert: Alert;
  readonly json: string;
  /** The alert's count when it was rendered: later matches need another message. */
  readonly count: number;
  readonly resolved: boolean;
  /** It was refused before: it must not spoil a request of others. */
  readonly alone: boolean;
}

const REQUEST_ALERTS = 500;
export const REQUEST_BYTES = 1024 * 1024;

/** An alert as Alertmanager takes it; `endsAt` (epoch milliseconds) is when it ends if nothing more is heard of it. */
export function writeAlert(alert: Alert, rendering: Rendering, now: number, endsAt: number): string {
  return JSON.stringify({
    labels: alert.labels,
    annotations: { ...alert.annotations, ...rendering.summary(alert) },
    startsAt: new Date(Math.min(alert.firstTime, now)).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
  });
}

/** Alertmanager bounds no request: it holds all of it in memory, so we do. `most`: bytes of the next one. */
export function* requests(messages: Iterable<Message>, most: () => number): Generator<Message[]> {
  let request: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (message.alone) {
      yield [message];
      continue;
    }
    const length = Buffer.byteLength(message.json) + 1;
    if (request.length === REQUEST_ALERTS || (request.length > 0 && bytes + length > most())) {
      yield request;
      request = [];
      bytes = 0;
    }
    request.push(message);
    bytes += length;
  }
  if (request.length > 0) yield request;
}
