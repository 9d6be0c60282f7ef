/** One metric: what `/metrics` shows, what docs, dashboards and alerts are checked against. */
export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  readonly unit?: "bytes" | "seconds";
  /** Histogram bounds. */
  readonly buckets?: readonly number[];
  /** At most so many series; what comes later is counted under `other` in every label. */
  readonly maxSeries?: number;
}

/**
 * Every metric. Labels hold names from the configuration or small fixed sets, never what a client wrote, except where
 * `maxSeries` bounds it.
 */
export const METRICS = {
  auditship_info: { type: "gauge", help: "Always 1; the version.", labels: ["version", "node_version"] },
  auditship_events_total: {
    type: "counter",
    help: "Audit events read for the first time, by stage and level.",
    labels: ["source", "stage", "level"],
    maxSeries: 200,
  },
  auditship_bytes_total: {
    type: "counter",
    help: "Bytes of whole lines read for the first time.",
    labels: ["source"],
    unit: "bytes",
  },
  auditship_events_again_total: {
    type: "counter",
    help: "Events processed again: replay after a restart, catch-up of a parked sink.",
    labels: ["source"],
  },
  auditship_requests_total: {
    type: "counter",
    help: "Requests seen in the audit log by verb, resource, code class (2xx …), level and stage. Rare combinations are counted under other.",
    labels: ["source", "verb", "resource", "code", "level", "stage"],
    maxSeries: 1000,
  },
  auditship_invalid_lines_total: {
    type: "counter",
    help: "Lines that are not an event.",
    labels: ["source", "reason"],
  },
  auditship_salvaged_lines_total: {
    type: "counter",
    help: "Torn lines whose whole event at the end was delivered.",
    labels: ["source"],
  },
  auditship_truncated_lines_total: {
    type: "counter",
    help: "Lines longer than maxLine, whose event was delivered without its bodies.",
    labels: ["source"],
  },
  auditship_dropped_events_total: {
    type: "counter",
    help: "Events dropped by the source's drop condition, or by auditLevel None of KubeSphere's Webhook resource.",
    labels: ["source"],
  },
  auditship_matches_total: {
    type: "counter",
    help: "Matches per rule.",
    labels: ["rule", "dialect", "priority"],
    maxSeries: 2000,
  },
  auditship_rule_errors_total: {
    type: "counter",
    help: "Rules that failed on an event.",
    labels: ["rule"],
    maxSeries: 2000,
  },
  auditship_match_seconds_total: {
    type: "counter",
    help: "Time that matching took.",
    labels: [],
    unit: "seconds",
  },
  auditship_rule_seconds_total: {
    type: "counter",
    help: "Time that a rule's own tests took, estimated from one batch in 64. Tests shared by all rules count in auditship_match_seconds_total only, a test shared by several rules for the first of them.",
    labels: ["rule", "dialect"],
    unit: "seconds",
    maxSeries: 2000,
  },
  auditship_rules: { type: "gauge", help: "Rules in force.", labels: ["dialect"] },
  auditship_rules_refused: { type: "gauge", help: "Rules refused at the last load.", labels: [] },
  auditship_selectors_unmatched: {
    type: "gauge",
    help: "Selectors of KubeSphere's Webhook resource that select no Rule resource.",
    labels: [],
  },
  auditship_audit_level_bodies_total: {
    type: "counter",
    help: "Bodies removed from KubeSphere's own events because of auditLevel in its Webhook resource.",
    labels: ["source"],
  },
  auditship_requests_twice: {
    type: "gauge",
    help: "1 if requests may appear twice: KubeSphere's own events and Kubernetes' are both read, and k8sAuditingEnabled of the Webhook resource is not true.",
    labels: [],
  },
  auditship_reloads_total: { type: "counter", help: "Reloads of rules or configuration.", labels: ["what", "result"] },
  auditship_stage_errors_total: { type: "counter", help: "Stages that failed on a batch.", labels: ["stage"] },
  auditship_redacted_values_total: { type: "counter", help: "Values replaced by redact.", labels: ["kind"] },
  auditship_redacted_bodies_total: {
    type: "counter",
    help: "Bodies that could not be read safely and were removed whole.",
    labels: ["reason"],
  },
  auditship_unknown_workspaces_total: {
    type: "counter",
    help: "Events of a namespace whose workspace is not known.",
    labels: ["source"],
  },
  auditship_lag_bytes: {
    type: "gauge",
    help: "Unread bytes behind a sink's cursor.",
    labels: ["source", "sink"],
    unit: "bytes",
  },
  auditship_lag_seconds: {
    type: "gauge",
    help: "Age of the oldest event that a sink has not acknowledged; 0 if there is none.",
    labels: ["source", "sink"],
    unit: "seconds",
  },
  auditship_bytes_lost_total: {
    type: "counter",
    help: "Bytes that were gone before they were read. For reason unseen a lower bound.",
    labels: ["source", "reason"],
    unit: "bytes",
  },
  auditship_bytes_lost_at_most: {
    type: "gauge",
    help: "Upper bound of what is counted for reason unseen; +Inf if none is known.",
    labels: ["source"],
    unit: "bytes",
  },
  auditship_outage_budget_seconds: {
    type: "gauge",
    help: "How long a sink may stay down before rotation deletes what it has not received: the bytes of the backups kept, at the rate of the newest files. Absent before the first backup.",
    labels: ["source"],
    unit: "seconds",
  },
  auditship_active_bytes: {
    type: "gauge",
    help: "Size of the active file.",
    labels: ["source"],
    unit: "bytes",
  },
  auditship_pinned_bytes: {
    type: "gauge",
    help: "Bytes of audit files that rotation has deleted and only pins keep.",
    labels: ["source"],
    unit: "bytes",
  },
  auditship_files_open: { type: "gauge", help: "Audit files held open.", labels: ["source"] },
  auditship_rotations_total: { type: "counter", help: "Rotations seen.", labels: ["source"] },
  auditship_source_errors_total: {
    type: "counter",
    help: "Failed attempts to list, open or read audit files.",
    labels: ["source", "kind"],
  },
  auditship_intake_bodies_total: {
    type: "counter",
    help: "Bodies posted to a webhook source: stored, repeated (accepted before), full, busy, denied, malformed, too-large, failed.",
    labels: ["source", "outcome"],
  },
  auditship_intake_spool_bytes: {
    type: "gauge",
    help: "Bytes in a webhook source's spool.",
    labels: ["source"],
    unit: "bytes",
  },
  auditship_kubernetes_synced: {
    type: "gauge",
    help: "1 while a watch of the API server is up to date, by the path that is watched.",
    labels: ["path"],
  },
  auditship_kubernetes_lists_total: {
    type: "counter",
    help: "Lists read from the API server: at startup, and when a watch could not continue.",
    labels: ["path"],
  },
  auditship_kubernetes_errors_total: {
    type: "counter",
    help: "Lists and watches that failed.",
    labels: ["path"],
  },
  auditship_kubernetes_reports_total: {
    type: "counter",
    help: "Reports on Rule and Webhook resources to the cluster: event (a Kubernetes Event) or status; ok or failed.",
    labels: ["what", "result"],
  },
  auditship_sink_events_total: {
    type: "counter",
    help: "Events by what became of them: created; duplicate (stored already by an earlier try); conflict (stored already, though never sent before); retried; rejected.",
    labels: ["sink", "result"],
  },
  auditship_sink_requests_total: {
    type: "counter",
    help: "Requests by outcome: ok, partial, retry, split, failed.",
    labels: ["sink", "outcome"],
  },
  auditship_sink_bytes_total: {
    type: "counter",
    help: "Bytes of request bodies sent, after compression.",
    labels: ["sink"],
    unit: "bytes",
  },
  auditship_sink_retries_total: {
    type: "counter",
    help: "Retries by reason.",
    labels: ["sink", "reason"],
    maxSeries: 500,
  },
  auditship_sink_request_seconds: {
    type: "histogram",
    help: "Time from sending a request to its answer.",
    labels: ["sink"],
    unit: "seconds",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  auditship_sink_in_flight: { type: "gauge", help: "Requests in flight.", labels: ["sink"] },
  auditship_sink_concurrency_limit: {
    type: "gauge",
    help: "Most requests in flight at present: adapts to how fast the sink answers, from 1 to its concurrency.",
    labels: ["sink"],
  },
  auditship_sink_request_limit_bytes: {
    type: "gauge",
    help: "Largest request at present, before compression: halved when no answer comes in time, from request.maxBytes down to one event, and larger again as requests are answered.",
    labels: ["sink"],
    unit: "bytes",
  },
  auditship_sink_endpoint_up: {
    type: "gauge",
    help: "1 if an endpoint (host and port as configured) answered the last request, 0 since it failed.",
    labels: ["sink", "endpoint"],
  },
  auditship_sink_state: {
    type: "gauge",
    help: "1 for the state the sink is in: live, catching-up, parked, stopped (its far end is gone for good).",
    labels: ["sink", "state"],
  },
  auditship_sink_stuck: {
    type: "gauge",
    help: "1 while a sink waits for something that only an operator can fix: a missing permission, a blocked index, a full disk, dead letters that are full or cannot be written, more than half of its events rejected. /readyz says which.",
    labels: ["sink"],
  },
  auditship_dead_letters_total: { type: "counter", help: "Events put into the dead letters.", labels: ["sink"] },
  auditship_dead_letters: { type: "gauge", help: "Dead letters kept.", labels: ["sink"] },
  auditship_dead_letters_lost_total: {
    type: "counter",
    help: "Dead letters dropped because their store was full.",
    labels: ["sink"],
  },
  auditship_alerts_active: { type: "gauge", help: "Alerts being sent.", labels: ["sink"] },
  auditship_alerts_untold: { type: "gauge", help: "Alerts that no Alertmanager has accepted yet.", labels: ["sink"] },
  auditship_alerts_stale_total: { type: "counter", help: "Matches too old to raise an alert.", labels: ["sink"] },
  auditship_state_writes_total: { type: "counter", help: "State files written.", labels: ["result"] },
  auditship_state_age_seconds: {
    type: "gauge",
    help: "Seconds since the whole state was last written.",
    labels: [],
    unit: "seconds",
  },
  auditship_plugin_total: {
    type: "counter",
    help: "Counters of plugins that are not built in.",
    labels: ["plugin", "counter"],
    maxSeries: 200,
  },
} as const satisfies Record<string, MetricDefinition>;
