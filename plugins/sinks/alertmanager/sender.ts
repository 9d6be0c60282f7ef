import type { HttpAnswer, HttpClient, SinkHost } from "../../../src/plugin/index.js";
import type { Alert, AlertTable } from "./table.js";

export interface SenderOptions {
  /** Milliseconds, all of them. */
  resolveAfter: number;
  resendEvery: number;
  /** To every URL, as Alertmanager wants it of a cluster; else to the first that answers. */
  perPeer: boolean;
}

/** How long new alerts wait for company. */
const COALESCE = 20;
/** An alert whose count changes is sent again so often at most. */
const UPDATE_EVERY = 5000;
const BATCH_ALERTS = 500;
const BATCH_BYTES = 1024 * 1024;
const BACKOFF = { initial: 500, max: 30_000 };
const CLOSE_TIMEOUT = 2000;

/** One alert as it is sent. */
interface Message {
  key: string;
  json: string;
  /** The alert's count and last match when it was rendered: later ones need another message. */
  count: number;
  resolved: boolean;
}

/**
 * Sends what is in the table, in the background: new alerts at once, all of them every `resendEvery` until they are quiet for
 * `resolveAfter`, then once with their end. An Alertmanager that is down costs nothing but the wait: nobody else notices.
 */
export class Sender {
  readonly #table: AlertTable;
  readonly #http: HttpClient;
  readonly #host: SinkHost;
  readonly #options: SenderOptions;
  /** When each alert was last sent, by key. */
  readonly #sentAt = new Map<string, number>();
  /** Keys of alerts that changed since. */
  readonly #changed = new Set<string>();
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  #wakesAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #failures = 0;
  #retryAt = 0;
  #closed = false;

  constructor(table: AlertTable, http: HttpClient, host: SinkHost, options: SenderOptions) {
    this.#table = table;
    this.#http = http;
    this.#host = host;
    this.#options = options;
  }

  /** Alerts are new or changed. */
  changed(keys: Iterable<string>): void {
    let due = Number.POSITIVE_INFINITY;
    for (const key of keys) {
      this.#changed.add(key);
      due = Math.min(due, this.#dueAt(key, this.#table.get(key)!));
    }
    this.#wake(due);
  }

  /** The table was replaced: send all of it. */
  restart(): void {
    this.#sentAt.clear();
    this.#changed.clear();
    if (this.#table.size > 0) this.#wake(0);
  }

  /** Sends what has not been sent, once, for 2 s at most. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const limit = setTimeout(() => this.#abort.abort(), CLOSE_TIMEOUT);
    await this.#running;
    await this.#round((key) => this.#changed.has(key) || !this.#sentAt.has(key));
    clearTimeout(limit);
  }

  #wake(due: number): void {
    if (this.#closed || this.#running || due === Number.POSITIVE_INFINITY) return;
    const now = this.#host.now();
    const at = Math.max(due, now + COALESCE, this.#retryAt);
    if (at >= this.#wakesAt) return;
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    this.#timer = setTimeout(() => void this.#run(), at - now).unref();
  }

  async #run(): Promise<void> {
    this.#wakesAt = Number.POSITIVE_INFINITY;
    this.#running = this.#round((key, alert, now) => this.#dueAt(key, alert) <= now);
    await this.#running;
    this.#running = undefined;
    let due = Number.POSITIVE_INFINITY;
    for (const [key, alert] of this.#table.entries()) due = Math.min(due, this.#dueAt(key, alert));
    this.#wake(due);
  }

  /** When an alert is to be sent next. */
  #dueAt(key: string, alert: Alert): number {
    const sentAt = this.#sentAt.get(key);
    if (sentAt === undefined) return 0;
    if (this.#changed.has(key)) return sentAt + UPDATE_EVERY;
    return Math.min(sentAt + this.#options.resendEvery, this.#quietAt(alert));
  }

  /** When an alert ends: never before somebody was told of it. */
  #quietAt(alert: Alert): number {
    if (alert.deliveredAt === 0) return Number.POSITIVE_INFINITY;
    return Math.max(alert.seenAt, alert.deliveredAt) + this.#options.resolveAfter;
  }

  /** Sends the alerts that `due` picks. Never rejects: a failure is noted and the rest waits for the next round. */
  async #round(due: (key: string, alert: Alert, now: number) => boolean): Promise<void> {
    const now = this.#host.now();
    try {
      const messages: Message[] = [];
      for (const [key, alert] of this.#table.entries()) {
        if (due(key, alert, now)) messages.push(this.#message(key, alert, now));
      }
      for (const batch of batches(messages)) await this.#send(batch);
      if (messages.length > 0) this.#succeeded();
    } catch (error) {
      this.#failed((error as Error).message);
    }
    this.#host.meter.set("auditship_alerts_active", this.#table.size, this.#host.name);
  }

  #message(key: string, alert: Alert, now: number): Message {
    const resolved = this.#quietAt(alert) <= now;
    const { labels, annotations, count, firstAuditID, lastAuditID } = alert;
    const json = JSON.stringify({
      labels,
      annotations: {
        ...annotations,
        count: String(count),
        firstAuditID,
        lastAuditID,
        firstTime: new Date(alert.firstTime).toISOString(),
        lastTime: new Date(alert.lastTime).toISOString(),
      },
      startsAt: new Date(Math.min(alert.firstTime, now)).toISOString(),
      endsAt: new Date(resolved ? now : now + 3 * this.#options.resendEvery).toISOString(),
    });
    return { key, json, count, resolved };
  }

  /** A bad alert spoils its batch (the good ones in it are taken, and harmless a second time): halve until it stands alone. */
  async #send(batch: Message[]): Promise<void> {
    const refusal = await this.#post(`[${batch.map((message) => message.json).join(",")}]`);
    if (refusal === undefined) for (const message of batch) this.#taken(message);
    else if (batch.length === 1) this.#reject(batch[0], refusal);
    else {
      const middle = batch.length >> 1;
      await this.#send(batch.slice(0, middle));
      await this.#send(batch.slice(middle));
    }
  }

  /** @returns undefined if a peer took it, or how they refused it. Throws if it is to be tried again. */
  async #post(body: string): Promise<string | undefined> {
    const started = performance.now();
    const { meter, name } = this.#host;
    const answers = await this.#request(body);
    meter.observe("auditship_sink_request_seconds", (performance.now() - started) / 1000, name);
    const taken = answers.some((answer) => answer.status === "fulfilled" && isSuccess(answer.value));
    const refused = answers.find((answer) => answer.status === "fulfilled" && isRefusal(answer.value));
    const troubles = answers.map(troubleOf).filter((trouble) => trouble !== undefined);
    meter.add("auditship_sink_requests_total", 1, name, taken ? "ok" : refused ? "failed" : "retry");
    if (taken) meter.add("auditship_sink_bytes_total", Buffer.byteLength(body), name);
    if (taken) return undefined;
    if (refused) return troubles.join("; ");
    throw new Error(troubles.join("; "));
  }

  async #request(body: string): Promise<PromiseSettledResult<HttpAnswer>[]> {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", path: "/api/v2/alerts", headers, body, signal: this.#abort.signal } as const;
    return this.#options.perPeer ? this.#http.requestAll(request) : Promise.allSettled([this.#http.request(request)]);
  }

  #taken({ key, count, resolved }: Message): void {
    const alert = this.#table.get(key);
    if (!alert) return;
    const now = this.#host.now();
    const unchanged = alert.count === count;
    if (resolved) {
      if (unchanged) this.#forget(key);
      else this.#sentAt.delete(key);
      return;
    }
    this.#sentAt.set(key, now);
    if (unchanged) this.#changed.delete(key);
    alert.deliveredAt ||= now;
  }

  #reject({ key, count }: Message, reason: string): void {
    const rule = this.#table.get(key)?.labels.alertname;
    this.#forget(key);
    this.#host.meter.add("auditship_sink_events_total", count, this.#host.name, "rejected");
    this.#host.log.error({ rule, events: count, reason }, "Alertmanager refused an alert; it is dropped");
  }

  #forget(key: string): void {
    this.#table.remove(key);
    this.#sentAt.delete(key);
    this.#changed.delete(key);
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#host.log.info({ failures: this.#failures }, "Alertmanager takes alerts again");
    this.#failures = 0;
    this.#retryAt = 0;
  }

  #failed(reason: string): void {
    if (this.#failures === 0) {
      this.#host.log.warn(
        { reason, alerts: this.#table.size },
        "Alertmanager takes no alerts; they are kept and retried",
      );
    }
    const longest = Math.min(BACKOFF.max, BACKOFF.initial * 2 ** this.#failures);
    this.#failures++;
    this.#retryAt = this.#host.now() + Math.random() * longest;
    this.#host.meter.add("auditship_sink_retries_total", 1, this.#host.name, "unavailable");
  }
}

function* batches(messages: Message[]): Generator<Message[]> {
  let batch: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const length = Buffer.byteLength(message.json) + 1;
    if (batch.length === BATCH_ALERTS || (batch.length > 0 && bytes + length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}

const isSuccess = (answer: HttpAnswer): boolean => answer.status >= 200 && answer.status < 300;

/** What Alertmanager answers to an alert that it will never take; 413 is a proxy's. */
const isRefusal = (answer: HttpAnswer): boolean => [400, 413, 422].includes(answer.status);

function troubleOf(answer: PromiseSettledResult<HttpAnswer>): string | undefined {
  if (answer.status === "rejected") return (answer.reason as Error).message;
  if (isSuccess(answer.value)) return undefined;
  return `${answer.value.url} answered ${answer.value.status}`;
}
