import { type HttpAnswer, type HttpClient, retryAfter, type SinkHost, SizeLimit } from "../../../src/plugin/index.js";
import { type Message, REQUEST_BYTES, requests, writeAlert } from "./message.js";
import type { Alert, AlertTable } from "./table.js";

export interface PeerOptions {
  /** Milliseconds. */
  resendEvery: number;
}

/** What an Alertmanager was told last of an alert. */
interface Told {
  /** By {@link clock}. */
  at: number;
  count: number;
  resolved: boolean;
  /** It refused it: it is told again, in a request of its own, as if there were hope. */
  refused: boolean;
}

/** How long new alerts wait for company. */
const COALESCE = 20;
/** An alert whose count changes is sent again so often at most. */
const UPDATE_EVERY = 5000;
/** The whole table is looked through so often at most. */
const SCAN_EVERY = 250;
/** Node's timers end at once what is to take longer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;
const BACKOFF = { initial: 500, max: 30_000 };
/** An Alertmanager (or a proxy before it) that refuses so many alerts in a row is out of order: the alerts are not. */
const MOST_REFUSALS = 10;

/**
 * Sends the table's alerts to one Alertmanager, in the background and at its own pace: new ones at once, each again every
 * `resendEvery` until it ends, then once with its end. One that is down, slow or lost its memory is nobody else's business.
 */
export class Peer {
  /** Called when alerts were sent, or could not be; with all there are when the whole table was looked through: what has ended may go. */
  onSent: (keys: Iterable<string>) => void = () => {};
  readonly #table: AlertTable;
  readonly #http: HttpClient;
  readonly #host: SinkHost;
  readonly #options: PeerOptions;
  /** By the alert itself: the next one with its labels is another. */
  readonly #told = new WeakMap<Alert, Told>();
  /** Keys of alerts that it has not been told of. */
  readonly #fresh = new Set<string>();
  readonly #abort = new AbortController();
  /** When the table is to be looked through, by {@link clock}. */
  #scanAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #wakesAt = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #failures = 0;
  #retryAt = 0;
  #refusals = 0;
  readonly #size = new SizeLimit(REQUEST_BYTES);
  #closed = false;

  constructor(table: AlertTable, http: HttpClient, host: SinkHost, options: PeerOptions) {
    this.#table = table;
    this.#http = http;
    this.#host = host;
    this.#options = options;
  }

  /** Alerts are new or changed. */
  changed(keys: Iterable<string>): void {
    for (const key of keys) {
      const alert = this.#table.get(key)!;
      if (this.#told.has(alert)) this.#scanSoon(alert);
      else this.#fresh.add(key);
    }
    this.#wake();
  }

  /** The table was replaced: sends all of it. */
  restart(): void {
    this.#fresh.clear();
    this.changed(this.#table.keys());
  }

  /** True if it knows that the alert has ended. */
  knowsEnd(alert: Alert): boolean {
    const told = this.#told.get(alert);
    return told?.resolved === true && told.count === alert.count;
  }

  refuses(alert: Alert): boolean {
    return this.#told.get(alert)?.refused === true;
  }

  /** The alert is no longer in the table. */
  forget(key: string): void {
    this.#fresh.delete(key);
  }

  /** Sends what it has not been told of, once, for `limit` ms at most. */
  async close(limit: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const timer = setTimeout(() => this.#abort.abort(), limit);
    await this.#running;
    const untold = (alert: Alert) => this.#told.get(alert)?.count !== alert.count;
    await this.#round(this.#table.entries(), untold);
    clearTimeout(timer);
  }

  #wake(): void {
    if (this.#closed || this.#running) return;
    const due = this.#fresh.size > 0 ? 0 : this.#scanAt;
    if (due === Number.POSITIVE_INFINITY) return;
    const now = clock();
    const at = Math.max(due, now + COALESCE, this.#retryAt);
    if (at >= this.#wakesAt) return;
    clearTimeout(this.#timer);
    this.#wakesAt = at;
    this.#timer = setTimeout(() => void this.#run(), Math.min(at - now, LONGEST)).unref();
  }

  async #run(): Promise<void> {
    this.#wakesAt = Number.POSITIVE_INFINITY;
    this.#running = clock() < this.#scanAt ? this.#sendFresh() : this.#scan();
    await this.#running;
    this.#running = undefined;
    this.#wake();
  }

  async #sendFresh(): Promise<void> {
    const fresh = [...this.#fresh].map((key): [string, Alert] => [key, this.#table.get(key)!]);
    await this.#round(fresh, () => true);
    for (const [, alert] of fresh) this.#scanSoon(alert);
    this.onSent(fresh.map(([key]) => key));
  }

  async #scan(): Promise<void> {
    await this.#round(this.#table.entries(), (alert) => this.#dueIn(alert) <= 0);
    this.#table.seenBy(this.#host.now());
    this.onSent(this.#table.keys());
    let due = Number.POSITIVE_INFINITY;
    for (const [, alert] of this.#table.entries())
      due = Math.min(due, this.#dueIn(alert), this.#table.goneAt(alert) - this.#host.now());
    this.#scanAt = clock() + Math.max(due, SCAN_EVERY);
  }

  /** Looks the table through when it is to be told of this alert. */
  #scanSoon(alert: Alert): void {
    this.#scanAt = Math.min(this.#scanAt, clock() + this.#dueIn(alert));
  }

  /** In how many milliseconds it is to be told of an alert next: 0 or less is now. */
  #dueIn(alert: Alert): number {
    const told = this.#told.get(alert);
    if (told === undefined) return 0;
    const resend = told.at + this.#options.resendEvery - clock();
    if (told.refused) return resend;
    const isChanged = told.count !== alert.count;
    if (told.resolved) return isChanged ? 0 : Number.POSITIVE_INFINITY;
    if (isChanged) return told.at + UPDATE_EVERY - clock();
    return Math.min(resend, this.#table.endsAt(alert) - this.#host.now());
  }

  /** Sends the alerts that `due` picks. Never rejects: a failure is noted and the rest waits for the next round. */
  async #round(alerts: Iterable<[string, Alert]>, due: (alert: Alert) => boolean) {
    const now = this.#host.now();
    try {
      const messages: Message[] = [];
      for (const [key, alert] of alerts) if (due(alert)) messages.push(this.#message(key, alert, now));
      for (const request of requests(messages, () => this.#size.current)) await this.#send(request);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  #message(key: string, alert: Alert, now: number): Message {
    const end = this.#table.endsAt(alert);
    const resolved = end <= now;
    const json = writeAlert(alert, this.#table.rendering, now, resolved ? now : now + 3 * this.#options.resendEvery);
    return { key, alert, json, count: alert.count, resolved, alone: this.refuses(alert) };
  }

  /** A bad alert spoils its request (the good ones in it are taken, and harmless a second time): halve until it is alone. */
  async #send(request: Message[]): Promise<void> {
    const refusal = await this.#post(`[${request.map((message) => message.json).join(",")}]`);
    if (refusal === undefined) this.#taken(request);
    else if (request.length === 1) this.#refused(request[0], refusal);
    else {
      const middle = request.length >> 1;
      await this.#send(request.slice(0, middle));
      await this.#send(request.slice(middle));
    }
  }

  /** @returns undefined if it was taken, or how it was refused. Throws if it is to be tried again. */
  async #post(body: string): Promise<string | undefined> {
    const started = performance.now();
    const { meter, name } = this.#host;
    const headers = { "content-type": "application/json" };
    let outcome = "retry";
    let isLate = false;
    try {
      const signal = this.#abort.signal;
      const answer = await this.#http.request({ method: "POST", path: "/api/v2/alerts", headers, body, signal });
      if (isSuccess(answer)) outcome = "ok";
      else if (isRefusal(answer)) outcome = "failed";
      else throw new Unavailable(said(answer), retryAfter(answer.headers["retry-after"], this.#host.now()));
      return outcome === "ok" ? undefined : said(answer);
    } catch (error) {
      isLate = (error as Error).name === "TimeoutError";
      throw error;
    } finally {
      const now = performance.now();
      const bytes = Buffer.byteLength(body);
      meter.observe("auditship_sink_request_seconds", (now - started) / 1000, name);
      meter.add("auditship_sink_requests_total", 1, name, outcome);
      if (outcome === "ok") meter.add("auditship_sink_bytes_total", bytes, name);
      this.#size.ended(bytes, started, now, outcome === "ok" ? "taken" : isLate ? "late" : "other");
    }
  }

  #taken(request: Message[]): void {
    this.#succeeded();
    const at = clock();
    for (const message of request) {
      this.#note(message, { at, count: message.count, resolved: message.resolved, refused: false });
      if (this.#table.get(message.key) === message.alert)
        this.#table.told(message.alert, message.count, this.#host.now());
    }
  }

  #refused(message: Message, reason: string): void {
    const { alert, count, resolved, alone } = message;
    this.#note(message, { at: clock(), count, resolved, refused: true });
    const rule = alert.labels.alertname;
    const { name: sink, log } = this.#host;
    if (!alone) log.error({ sink, rule, reason }, "Alertmanager refuses an alert; it is tried again, alone");
    if (++this.#refusals % MOST_REFUSALS === 0) throw new Unavailable(reason);
  }

  /** Meanwhile another alert may have its place, which is as fresh as before. */
  #note({ key, alert }: Message, told: Told): void {
    this.#told.set(alert, told);
    if (this.#table.get(key) === alert) this.#fresh.delete(key);
  }

  #succeeded(): void {
    this.#refusals = 0;
    this.#retryAt = 0;
    if (this.#failures === 0) return;
    const { name: sink, log } = this.#host;
    log.info({ sink, failures: this.#failures }, "Alertmanager takes alerts again");
    this.#failures = 0;
    // It may have been restarted without its memory: tell it everything again.
    for (const [, alert] of this.#table.entries()) {
      const told = this.#told.get(alert);
      if (told && !told.refused) told.at = Number.NEGATIVE_INFINITY;
    }
    this.#scanAt = 0;
  }

  #failed({ message: reason, after = 0 }: Unavailable): void {
    const { name: sink, log } = this.#host;
    const alerts = this.#table.size;
    if (this.#failures === 0) {
      log.warn({ sink, reason, alerts }, "Alertmanager takes no alerts; they are kept and retried");
    }
    const longest = Math.min(BACKOFF.max, BACKOFF.initial * 2 ** this.#failures);
    this.#failures++;
    this.#retryAt = clock() + Math.max(after, Math.random() * longest);
    this.#host.meter.add("auditship_sink_retries_total", 1, sink, "unavailable");
  }
}

/** It is to be tried again, after so many milliseconds at least if it said so. */
class Unavailable extends Error {
  constructor(
    reason: string,
    readonly after?: number,
  ) {
    super(reason);
  }
}

/** Milliseconds of a clock that only goes forward: nothing is late because the node's was set. */
const clock = (): number => performance.now();

const isSuccess = ({ status }: HttpAnswer): boolean => status >= 200 && status < 300;

/** What Alertmanager answers to an alert that it will never take; 413 is a proxy's. */
const isRefusal = ({ status }: HttpAnswer): boolean => [400, 413, 422].includes(status);

const said = ({ url, status }: HttpAnswer): string => `${url} answered ${status}`;
