import type { HttpClient, SinkHost } from "../../../src/plugin/index.js";
import { Peer, type PeerOptions } from "./peer.js";
import type { AlertTable } from "./table.js";

const CLOSE_TIMEOUT = 2000;

/** Keeps each Alertmanager told of what is in the table, and takes out of it what has ended. */
export class Sender {
  readonly #table: AlertTable;
  readonly #host: SinkHost;
  readonly #peers: readonly Peer[];

  constructor(table: AlertTable, clients: readonly HttpClient[], host: SinkHost, options: PeerOptions) {
    this.#table = table;
    this.#host = host;
    this.#peers = clients.map((client) => new Peer(table, client, host, options));
    for (const peer of this.#peers) peer.onSent = (keys) => this.#sweep(keys);
  }

  /** Alerts are new or changed. */
  changed(keys: Set<string>): void {
    if (keys.size === 0) return;
    for (const peer of this.#peers) peer.changed(keys);
    this.#show();
  }

  /** The table was replaced. */
  restart(): void {
    for (const peer of this.#peers) peer.restart();
    this.#show();
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.close(CLOSE_TIMEOUT)));
  }

  /**
   * An alert goes when every Alertmanager knows its end, or would know it by itself: to those that are down it is not active
   * any more. One that is refused goes when it is quiet: then it is lost, and counted.
   */
  #sweep(keys: Iterable<string>): void {
    const { name: sink, log, meter } = this.#host;
    const now = this.#host.now();
    for (const key of keys) {
      const alert = this.#table.get(key);
      if (!alert) continue;
      if (this.#peers.every((peer) => peer.knowsEnd(alert)) || this.#table.goneAt(alert) <= now) this.#remove(key);
      else if (this.#peers.every((peer) => peer.refuses(alert)) && this.#table.quietAt(alert) <= now) {
        const events = alert.count - alert.toldCount;
        meter.add("auditship_sink_events_total", events, sink, "rejected");
        log.error({ sink, rule: alert.labels.alertname, events }, "No Alertmanager took an alert; it is dropped");
        this.#remove(key);
      }
    }
    this.#show();
  }

  #remove(key: string): void {
    this.#table.remove(key);
    for (const peer of this.#peers) peer.forget(key);
  }

  #show(): void {
    this.#host.meter.set("auditship_alerts_active", this.#table.size, this.#host.name);
    this.#host.meter.set("auditship_alerts_untold", this.#table.untold, this.#host.name);
  }
}
