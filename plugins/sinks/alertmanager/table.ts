import { type EventView, Field, type RuleMatch, type Selection, type SinkState } from "../../../src/plugin/index.js";
import type { Rendering, Summary } from "../alerts/rendering.js";
import type { Pairs } from "../alerts/text.js";
import { digest, RecentKeys, requestOf } from "./recent.js";

/** An alert that is active: matches with equal labels, counted. Times are epoch milliseconds. */
export interface Alert extends Summary {
  /** From the event that began it. */
  readonly annotations: Pairs;
  firstAuditID: string;
  lastAuditID: string;
  count: number;
  firstTime: number;
  lastTime: number;
  /** When the last match came in, by our clock: what quiet is measured from. */
  seenAt: number;
  /** Its count when an Alertmanager took it last; 0: none has. It does not end before somebody was told of its last match. */
  toldCount: number;
  /** When that was first taken. */
  deliveredAt: number;
}

export interface AlertTableOptions {
  maxAlerts: number;
  /** Milliseconds. */
  resolveAfter: number;
  resendEvery: number;
}

/** Where a match belongs. */
interface Place {
  readonly key: string;
  /** The key, short. */
  readonly digest: string;
  readonly labels: Pairs;
}

/** Requests that are remembered so that their later stages are not counted again, and how many of them over a restart. */
const RECENT = 8192;
const RECENT_KEPT = 2048;
/** Places that are remembered, so that the labels of a storm are made once, and the longest name of one, in characters. */
const PLACES = 1024;
const PLACE_NAME = 1024;
/** One rule fills so much of the table at most: who makes it noisy hides no other. */
const SHARE = 1 / 4;

/** Which alerts are active. All of it is bounded: alerts by `maxAlerts` and one more per rule, texts by their lengths. */
export class AlertTable {
  readonly rendering: Rendering;
  /** Called when an alert was told of with a new count, or is gone. */
  onChange: () => void = () => {};
  readonly #options: AlertTableOptions;
  readonly #places = new Map<string, Place>();
  #alerts = new Map<string, Alert>();
  #untold = 0;
  /** How many alerts each rule has. */
  #ofRule = new Map<string, number>();
  #recent = new RecentKeys(RECENT);

  constructor(rendering: Rendering, options: AlertTableOptions) {
    this.rendering = rendering;
    this.#options = options;
  }

  get size(): number {
    return this.#alerts.size;
  }

  /** Alerts that no Alertmanager has accepted yet. */
  get untold(): number {
    return this.#untold;
  }

  /** All alerts by key. */
  entries(): IterableIterator<[string, Alert]> {
    return this.#alerts.entries();
  }

  keys(): IterableIterator<string> {
    return this.#alerts.keys();
  }

  get(key: string): Alert | undefined {
    return this.#alerts.get(key);
  }

  /** When it was quiet for long enough. */
  quietAt({ seenAt, deliveredAt }: Alert): number {
    return Math.max(seenAt, deliveredAt) + this.#options.resolveAfter;
  }

  /** When an alert ends: never before somebody was told of all of it. */
  endsAt(alert: Alert): number {
    return alert.toldCount < alert.count ? Number.POSITIVE_INFINITY : this.quietAt(alert);
  }

  /** When it has ended for those, too, who were not told of its end. */
  goneAt(alert: Alert): number {
    return this.endsAt(alert) + 3 * this.#options.resendEvery;
  }

  /**
   * Counts the alerting matches of `events`, except those of events before `oldest`.
   * @returns keys of the alerts that are new or changed, and how many matches were too old.
   */
  fold(events: Selection, oldest: number, now: number): { touched: Set<string>; stale: number } {
    const touched = new Set<string>();
    let stale = 0;
    for (const event of events) {
      const matches = event.matches().filter((match) => match.actions.includes("alerting"));
      if (matches.length === 0) continue;
      if (event.timeMs() < oldest) stale += matches.length;
      else this.#count(event, matches, now, touched);
    }
    return { touched, stale };
  }

  /** Nothing was seen later than `now`: where the clock was set back, alerts would not end before it is there again. */
  seenBy(now: number): void {
    for (const alert of this.#alerts.values()) {
      alert.seenAt = Math.min(alert.seenAt, now);
      alert.deliveredAt = Math.min(alert.deliveredAt, now);
    }
  }

  /** An Alertmanager took it when it had this count. */
  told(alert: Alert, count: number, now: number): void {
    if (alert.toldCount >= count) return;
    if (alert.toldCount === 0) this.#untold--;
    alert.toldCount = count;
    alert.deliveredAt = now;
    this.onChange();
  }

  remove(key: string): void {
    const alert = this.#alerts.get(key);
    if (!alert) return;
    this.#alerts.delete(key);
    this.#note(alert, -1);
    this.onChange();
  }

  /** A copy, as JSON. */
  state(): SinkState {
    const alerts = [...this.#alerts.values()].map((alert) => ({ ...alert }));
    return { alerts, recent: this.#recent.last(RECENT_KEPT) };
  }

  /** False if that is no state of ours: then there are no alerts. */
  restore(state: SinkState = NONE): boolean {
    const isOurs = isStored(state);
    const { alerts, recent } = isOurs ? state : NONE;
    this.#alerts = new Map(alerts.map((alert) => [keyOf(alert.labels), { ...alert, toldCount: toldCountOf(alert) }]));
    this.#ofRule.clear();
    this.#untold = 0;
    for (const alert of this.#alerts.values()) this.#note(alert, 1);
    this.#recent = new RecentKeys(RECENT, recent);
    return isOurs;
  }

  #count(event: EventView, matches: readonly RuleMatch[], now: number, touched: Set<string>): void {
    const request = requestOf(event);
    const identity = this.rendering.identity(event);
    const time = event.timeMs();
    for (const match of matches) {
      const place = this.#place(event, match, identity);
      if (!this.#recent.add(request + place.digest)) continue;
      const alert = this.#activeAt(place, now) ?? this.#begin(event, match, place);
      alert.count++;
      // They may come in another order than they happened.
      if (time >= alert.lastTime) alert.lastAuditID = auditID(event);
      if (time < alert.firstTime) alert.firstAuditID = auditID(event);
      alert.firstTime = Math.min(alert.firstTime, time);
      alert.lastTime = Math.max(alert.lastTime, time);
      alert.seenAt = now;
      touched.add(place.key);
    }
  }

  /** The alert that a match belongs to: its own, or the rule's overflow when there is no place. */
  #place(event: EventView, match: RuleMatch, identity: string): Place {
    const own = this.#ownPlace(event, match, identity);
    if (this.#alerts.has(own.key) || this.#hasRoom(match.rule)) return own;
    return placeOf(this.rendering.overflow(event, match));
  }

  #ownPlace(event: EventView, match: RuleMatch, identity: string): Place {
    const { dialect, rule, priority } = match;
    const name = `${dialect}\0${rule}\0${priority}\0${identity}`;
    const known = this.#places.get(name);
    if (known) return known;
    const place = placeOf(this.rendering.labels(event, match));
    if (this.#places.size >= PLACES) this.#places.clear();
    if (name.length <= PLACE_NAME) this.#places.set(name, place);
    return place;
  }

  #hasRoom(rule: string): boolean {
    const { maxAlerts } = this.#options;
    return this.#alerts.size < maxAlerts && (this.#ofRule.get(rule) ?? 0) < Math.ceil(maxAlerts * SHARE);
  }

  /** One that has ended, but not for everybody, makes room for the next. */
  #activeAt({ key }: Place, now: number): Alert | undefined {
    const alert = this.#alerts.get(key);
    if (!alert || this.endsAt(alert) > now) return alert;
    this.#note(alert, -1);
    return undefined;
  }

  #begin(event: EventView, match: RuleMatch, { key, labels }: Place): Alert {
    const time = event.timeMs();
    const alert = {
      labels,
      annotations: this.rendering.annotations(event, match),
      firstAuditID: auditID(event),
      lastAuditID: auditID(event),
      count: 0,
      firstTime: time,
      lastTime: time,
      seenAt: 0,
      toldCount: 0,
      deliveredAt: 0,
    };
    this.#alerts.set(key, alert);
    this.#note(alert, 1);
    return alert;
  }

  /** An alert came into the table, or went. */
  #note({ labels: { alertname }, toldCount }: Alert, one: 1 | -1): void {
    if (toldCount === 0) this.#untold += one;
    const left = (this.#ofRule.get(alertname) ?? 0) + one;
    if (left > 0) this.#ofRule.set(alertname, left);
    else this.#ofRule.delete(alertname);
  }
}

/** What is kept with the cursor. */
interface Stored extends SinkState {
  alerts: StoredAlert[];
  recent: string[];
}

/** Builds that told of an alert once did not keep how much they told. */
type StoredAlert = Omit<Alert, "toldCount"> & { toldCount?: number };

const NONE: Stored = { alerts: [], recent: [] };

function isStored(state: SinkState): state is Stored {
  const { alerts, recent } = state;
  if (!Array.isArray(alerts) || !Array.isArray(recent)) return false;
  return alerts.every(isAlert) && recent.every((key) => typeof key === "string");
}

const toldCountOf = ({
  toldCount,
  count,
  deliveredAt,
}: Pick<StoredAlert, "toldCount" | "count" | "deliveredAt">): number => toldCount ?? (deliveredAt > 0 ? count : 0);

function isAlert(value: unknown): value is StoredAlert {
  if (typeof value !== "object" || value === null) return false;
  const { labels, annotations, firstAuditID, lastAuditID, ...rest } = value as StoredAlert;
  const numbers = [rest.count, rest.firstTime, rest.lastTime, rest.seenAt, rest.deliveredAt, toldCountOf(rest)];
  return (
    [labels, annotations].every(isPairs) &&
    [firstAuditID, lastAuditID].every((id) => typeof id === "string") &&
    numbers.every(Number.isFinite)
  );
}

const isPairs = (value: unknown): value is Pairs =>
  typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string");

/** Labels as one string: equal alerts have equal keys. */
const keyOf = (labels: Pairs): string => JSON.stringify(labels);

function placeOf(labels: Pairs): Place {
  const key = keyOf(labels);
  return { key, digest: digest(key), labels };
}

/** A client may set it in a header, at any length. */
const auditID = (event: EventView): string => (event.text(Field.auditID) ?? "").slice(0, 128);
