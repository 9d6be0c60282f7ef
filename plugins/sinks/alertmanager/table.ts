import { hash } from "node:crypto";
import { type EventView, Field, type RuleMatch, type Selection, type SinkState } from "../../../src/plugin/index.js";
import type { Rendering } from "../alerts/rendering.js";
import type { Pairs } from "../alerts/text.js";
import { RecentKeys, requestOf } from "./recent.js";

/** An alert that is active: matches with equal labels, counted. Times are epoch milliseconds. */
export interface Alert {
  readonly labels: Pairs;
  /** From the event that began it. */
  readonly annotations: Pairs;
  readonly firstAuditID: string;
  lastAuditID: string;
  /** Requests, not events. */
  count: number;
  /** Event times. */
  firstTime: number;
  lastTime: number;
  /** When the last match came in, by our clock: what quiet is measured from. */
  seenAt: number;
  /** When Alertmanager first took it; 0: not yet, and until then it does not end. */
  deliveredAt: number;
}

/** Requests that are remembered so that their later stages are not counted again, and how many of them over a restart. */
const RECENT = 16_384;
const RECENT_KEPT = 2048;

/** Which alerts are active. All of it is bounded: alerts by `maxAlerts` and one more per rule, texts by their lengths. */
export class AlertTable {
  readonly #rendering: Rendering;
  readonly #maxAlerts: number;
  #alerts = new Map<string, Alert>();
  #recent = new RecentKeys(RECENT);

  constructor(rendering: Rendering, maxAlerts: number) {
    this.#rendering = rendering;
    this.#maxAlerts = maxAlerts;
  }

  get size(): number {
    return this.#alerts.size;
  }

  /** All alerts by key. */
  entries(): IterableIterator<[string, Alert]> {
    return this.#alerts.entries();
  }

  get(key: string): Alert | undefined {
    return this.#alerts.get(key);
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
      else for (const key of this.#count(event, matches, now)) touched.add(key);
    }
    return { touched, stale };
  }

  remove(key: string): void {
    this.#alerts.delete(key);
  }

  /** A copy, as JSON. */
  state(): SinkState {
    const alerts = [...this.#alerts.values()].map((alert) => ({ ...alert }));
    return { alerts, recent: this.#recent.last(RECENT_KEPT) };
  }

  restore(state: SinkState | undefined): void {
    const { alerts = [], recent = [] } = (state ?? {}) as { alerts?: Alert[]; recent?: string[] };
    this.#alerts = new Map(alerts.map((alert) => [keyOf(alert.labels), { ...alert }]));
    this.#recent = new RecentKeys(RECENT, recent);
  }

  #count(event: EventView, matches: readonly RuleMatch[], now: number): string[] {
    const request = requestOf(event);
    const time = event.timeMs();
    const counted: string[] = [];
    for (const match of matches) {
      const [key, labels] = this.#place(event, match);
      if (!this.#recent.add(digest(request, key))) continue;
      const alert = this.#alerts.get(key) ?? begin(event, labels, this.#rendering.annotations(event, match));
      this.#alerts.set(key, alert);
      alert.count++;
      alert.lastAuditID = auditID(event);
      alert.firstTime = Math.min(alert.firstTime, time);
      alert.lastTime = Math.max(alert.lastTime, time);
      alert.seenAt = now;
      counted.push(key);
    }
    return counted;
  }

  /** The alert that a match belongs to: its own, or the rule's overflow when the table is full. */
  #place(event: EventView, match: RuleMatch): [string, Pairs] {
    const labels = this.#rendering.labels(event, match);
    const key = keyOf(labels);
    if (this.#alerts.has(key) || this.#alerts.size < this.#maxAlerts) return [key, labels];
    const overflow = this.#rendering.overflow(event, match);
    return [keyOf(overflow), overflow];
  }
}

function begin(event: EventView, labels: Pairs, annotations: Pairs): Alert {
  const time = event.timeMs();
  return {
    labels,
    annotations,
    firstAuditID: auditID(event),
    lastAuditID: auditID(event),
    count: 0,
    firstTime: time,
    lastTime: time,
    seenAt: 0,
    deliveredAt: 0,
  };
}

/** Labels as one string: equal alerts have equal keys. */
const keyOf = (labels: Pairs): string => JSON.stringify(labels);

/** A client may set it in a header, at any length. */
const auditID = (event: EventView): string => (event.text(Field.auditID) ?? "").slice(0, 128);

/** 96 bits: nobody finds two requests that are one. */
const digest = (request: string, key: string): string => hash("sha256", request + key, "base64url").slice(0, 16);
