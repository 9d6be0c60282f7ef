import {
  AuditshipError,
  defineSink,
  delay,
  duration,
  type FoldingSink,
  type HttpClient,
  httpShape,
  type Selection,
  type SinkHost,
  type SinkState,
  type Zod,
} from "../../src/plugin/index.js";
import { Sender } from "./alertmanager/sender.js";
import { AlertTable, type AlertTableOptions } from "./alertmanager/table.js";
import { kubesphere } from "./alerts/kubesphere.js";
import { LABEL_NAME, labelsForAlerts } from "./alerts/names.js";
import { native } from "./alerts/native.js";
import type { Rendering } from "./alerts/rendering.js";

const options = (zod: Zod) => {
  const http = httpShape(zod);
  return zod.strictObject({
    ...http,
    urls: http.urls.describe("Base URLs of all Alertmanagers of a cluster: each is sent everything (perPeer)."),
    timeout: delay(1).prefault("5s").describe("Longest time for a whole request."),
    format: zod
      .enum(["native", "kubesphere"])
      .default("native")
      .describe(
        "kubesphere: the labels and annotation of KubeSphere's own alerts, whose timestamp makes each request an alert of its own.",
      ),
    labels: zod
      .record(
        zod.string().regex(LABEL_NAME, "label names are letters, digits and underscores, and begin with no digit"),
        zod.string().min(1),
      )
      .default({})
      .describe("Further labels of every alert."),
    runbook: zod
      .string()
      .optional()
      .describe(
        "URL, which may hold {rule}, for the annotation runbook_url of alerts whose rule has no runbook of its own.",
      ),
    maxAge: duration().prefault("1h").describe("Older matches are counted as stale, not sent."),
    resolveAfter: duration().prefault("5m").describe("An alert ends after this long without a match."),
    resendEvery: delay().prefault("60s").describe("How often active alerts are sent again."),
    maxAlerts: zod
      .number()
      .int()
      .positive()
      .default(2000)
      .describe(
        "Most active alerts, at most a quarter of them of one rule; the rest is counted in one alert per rule, labelled overflow.",
      ),
    perPeer: zod
      .boolean()
      .default(true)
      .describe("Send to every URL, as peers of an Alertmanager cluster need; false: to the first that answers."),
  });
};

/** Alerts to Prometheus' Alertmanager, API v2. */
export default defineSink({
  kind: "sink",
  name: "alertmanager",
  options,
  anyOrder: true,
  defaults: { select: "alerting", maxWait: 50, catchUp: "newest" },
  create(options, host) {
    const peers = options.perPeer ? options.urls.map((url) => [url]) : [options.urls];
    const clients = peers.map((urls) => host.http({ ...options, urls }));
    return new AlertmanagerSink(options, host, clients);
  },
});

export interface AlertmanagerOptions extends AlertTableOptions {
  format: "native" | "kubesphere";
  labels: Record<string, string>;
  runbook?: string;
  /** Milliseconds. */
  maxAge: number;
}

/**
 * A match is acknowledged when it is in the table of active alerts and that table is on disk with the cursor; sending works
 * from the table, so an Alertmanager that is down holds nothing up.
 */
export class AlertmanagerSink implements FoldingSink {
  readonly mode = "fold";
  onChange?: () => void;
  readonly #host: SinkHost;
  readonly #clients: readonly HttpClient[];
  readonly #maxAge: number;
  readonly #table: AlertTable;
  readonly #sender: Sender;

  /** @param clients one for each Alertmanager that is to be told everything. */
  constructor(options: AlertmanagerOptions, host: SinkHost, clients: readonly HttpClient[]) {
    this.#host = host;
    this.#clients = clients;
    this.#maxAge = options.maxAge;
    this.#table = new AlertTable(renderingOf(options, host), options);
    this.#table.onChange = () => this.onChange?.();
    this.#sender = new Sender(this.#table, clients, host, options);
  }

  restore(state: SinkState | undefined): void {
    if (!this.#table.restore(state)) {
      const { name: sink, log } = this.#host;
      log.error({ sink }, "The alerts that were kept are damaged: there are none now, and what was not told is lost.");
    }
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

  /** One Alertmanager that answers is enough. */
  async probe(signal: AbortSignal): Promise<void> {
    const probes = await Promise.allSettled(this.#clients.map((client) => probe(client, signal)));
    const failures = probes.flatMap((result) => (result.status === "rejected" ? [result.reason.message] : []));
    if (failures.length === probes.length) throw new Error(failures.join("; "));
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}

function renderingOf({ format, labels, runbook }: AlertmanagerOptions, host: SinkHost): Rendering {
  const { cluster, node } = host;
  const context = { cluster, node, labels: { ...labelsForAlerts(host.labels), ...labels }, runbook };
  const rendering = format === "native" ? native(context) : kubesphere(context);
  const taken = rendering.names.find((name) => Object.hasOwn(labels, name));
  if (taken === undefined) return rendering;
  throw new AuditshipError(
    "AUDITSHIP_CONFIG_VALUE",
    `sink ${host.name}: labels.${taken} is what auditship itself fills; give it another name.`,
  );
}

async function probe(client: HttpClient, signal: AbortSignal): Promise<void> {
  const { status, url } = await client.request({ method: "GET", path: "/api/v2/status", signal });
  if (status !== 200) throw new Error(`${url}/api/v2/status answered ${status}, not 200`);
}
