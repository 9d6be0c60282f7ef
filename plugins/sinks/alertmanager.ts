import {
  defineSink,
  duration,
  type FoldingSink,
  type HttpClient,
  httpShape,
  type Selection,
  type SinkHost,
  type SinkState,
} from "../../src/plugin/index.js";
import { Sender, type SenderOptions } from "./alertmanager/sender.js";
import { AlertTable } from "./alertmanager/table.js";
import { native } from "./alerts/native.js";

/** Alerts to Prometheus' Alertmanager, API v2. */
export default defineSink({
  kind: "sink",
  name: "alertmanager",
  options: (zod) =>
    zod.strictObject({
      ...httpShape(zod),
      timeout: duration().prefault("5s").describe("Longest time for a whole request."),
      labels: zod.record(zod.string(), zod.string()).default({}).describe("Further labels of every alert."),
      maxAge: duration().prefault("1h").describe("Older matches are counted as stale, not sent."),
      resolveAfter: duration().prefault("5m").describe("An alert ends when it was quiet for so long."),
      resendEvery: duration().prefault("60s").describe("Active alerts are sent again so often."),
      maxAlerts: zod
        .number()
        .int()
        .positive()
        .default(2000)
        .describe("Most active alerts; what comes beyond is counted in one alert per rule, labelled overflow."),
      perPeer: zod
        .boolean()
        .default(true)
        .describe(
          "Send to every URL, as the peers of an Alertmanager cluster want it; false: to the first that answers.",
        ),
    }),
  defaults: { select: "alerting", maxWait: 50 },
  create: (options, host) => new AlertmanagerSink(options, host, host.http(options)),
});

export interface AlertmanagerOptions extends SenderOptions {
  labels: Record<string, string>;
  /** Milliseconds. */
  maxAge: number;
  maxAlerts: number;
}

/**
 * A match is acknowledged when it is in the table of active alerts and that table is on disk with the cursor; sending works
 * from the table (DESIGN §2), so an Alertmanager that is down holds nothing up.
 */
export class AlertmanagerSink implements FoldingSink {
  readonly mode = "fold";
  readonly #host: SinkHost;
  readonly #http: HttpClient;
  readonly #maxAge: number;
  readonly #table: AlertTable;
  readonly #sender: Sender;

  constructor(options: AlertmanagerOptions, host: SinkHost, http: HttpClient) {
    this.#host = host;
    this.#http = http;
    this.#maxAge = options.maxAge;
    const context = { cluster: host.cluster, node: host.node, labels: { ...host.labels, ...options.labels } };
    this.#table = new AlertTable(native(context), options.maxAlerts);
    this.#sender = new Sender(this.#table, http, host, options);
  }

  restore(state: SinkState | undefined): void {
    this.#table.restore(state);
    this.#sender.restart();
  }

  fold(events: Selection): void {
    const now = this.#host.now();
    const { touched, stale } = this.#table.fold(events, now - this.#maxAge, now);
    if (stale > 0) this.#host.meter.add("auditship_alerts_stale_total", stale, this.#host.name);
    this.#sender.changed(touched);
  }

  state(): SinkState {
    return this.#table.state();
  }

  async flush(): Promise<void> {}

  async probe(signal: AbortSignal): Promise<void> {
    const answer = await this.#http.request({ method: "GET", path: "/api/v2/status", signal });
    if (answer.status !== 200) throw new Error(`${answer.url}/api/v2/status answered ${answer.status}, not 200`);
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}
