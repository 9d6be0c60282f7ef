import { describe, expect, it } from "vitest";
import { Metrics } from "../../src/observe/meter.js";
import { METRICS, type MetricDefinition } from "../../src/observe/metrics.js";

/** The sample lines of one metric. */
const samples = (text: string, name: string) =>
  text.split("\n").filter((line) => line.startsWith(name) && line[0] !== "#");

describe("the metrics", () => {
  it("count what is added, per series", async () => {
    const metrics = new Metrics();
    metrics.add("auditship_bytes_total", 10, "a");
    metrics.add("auditship_bytes_total", 5, "a");
    metrics.add("auditship_bytes_total", 1, "b");
    expect(metrics.get("auditship_bytes_total", "a")).toBe(15);
    expect(samples(await metrics.text(), "auditship_bytes_total")).toEqual([
      'auditship_bytes_total{source="a"} 15',
      'auditship_bytes_total{source="b"} 1',
    ]);
  });

  it("show the last value of a gauge, also zero and negative ones", async () => {
    const metrics = new Metrics();
    for (const value of [7, 0]) metrics.set("auditship_lag_bytes", value, "a", "x");
    metrics.set("auditship_lag_bytes", -2.5, "a", "y");
    metrics.set("auditship_rules_refused", 3);
    const text = await metrics.text();
    expect(samples(text, "auditship_lag_bytes")).toEqual([
      'auditship_lag_bytes{source="a",sink="x"} 0',
      'auditship_lag_bytes{source="a",sink="y"} -2.5',
    ]);
    expect(samples(text, "auditship_rules_refused")).toEqual(["auditship_rules_refused 3"]);
  });

  it("are the same when scraped twice", async () => {
    const metrics = new Metrics();
    metrics.add("auditship_rotations_total", 2, "a");
    const first = samples(await metrics.text(), "auditship_rotations_total");
    expect(samples(await metrics.text(), "auditship_rotations_total")).toEqual(first);
  });

  it("put observations into buckets", async () => {
    const metrics = new Metrics();
    for (const seconds of [0.004, 0.2, 99]) metrics.observe("auditship_sink_request_seconds", seconds, "es");
    const text = samples(await metrics.text(), "auditship_sink_request_seconds");
    expect(text).toContain('auditship_sink_request_seconds_bucket{le="0.005",sink="es"} 1');
    expect(text).toContain('auditship_sink_request_seconds_bucket{le="0.25",sink="es"} 2');
    expect(text).toContain('auditship_sink_request_seconds_bucket{le="+Inf",sink="es"} 3');
    expect(text).toContain('auditship_sink_request_seconds_count{sink="es"} 3');
  });

  it("count what is beyond the number of series under other, and lose nothing", async () => {
    const metrics = new Metrics();
    for (let i = 0; i < 5000; i++)
      metrics.add("auditship_requests_total", 1, "s", "get", `r${i}`, "2xx", "Metadata", "x");
    const lines = samples(await metrics.text(), "auditship_requests_total");
    expect(lines).toHaveLength(1000);
    expect(metrics.get("auditship_requests_total", "other", "other", "other", "other", "other", "other")).toBe(4001);
    const sum = lines.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
    expect(sum).toBe(5000);
  });

  it("cut a label that a client made long, and escape what it wrote", async () => {
    const metrics = new Metrics();
    metrics.add("auditship_requests_total", 1, "s", `"\\\n`, "x".repeat(9999), "2xx", "Metadata", "x");
    const [line] = samples(await metrics.text(), "auditship_requests_total");
    expect(line).toContain('verb="\\"\\\\\\n"');
    expect(line.length).toBeLessThan(300);
  });

  it("are asked for before a scrape where they cost something to know", async () => {
    const metrics = new Metrics();
    metrics.beforeScrape(() => metrics.set("auditship_state_age_seconds", 12));
    expect(await metrics.text()).toContain("auditship_state_age_seconds 12");
  });

  it("forget a sink that is gone", async () => {
    const metrics = new Metrics();
    metrics.set("auditship_sink_state", 1, "gone", "parked");
    metrics.set("auditship_sink_state", 1, "here", "live");
    metrics.forget("sink", "gone");
    expect(samples(await metrics.text(), "auditship_sink_state")).toEqual([
      'auditship_sink_state{sink="here",state="live"} 1',
    ]);
  });

  it("never take a counter back", () => {
    const metrics = new Metrics();
    for (const value of [4, -1, Number.NaN, Number.POSITIVE_INFINITY]) metrics.add("auditship_bytes_total", value, "a");
    expect(metrics.get("auditship_bytes_total", "a")).toBe(4);
  });

  it("that do not stand in the table, or with other labels, are a bug in the caller", () => {
    const metrics = new Metrics();
    expect(() => metrics.add("auditship_nonsense_total", 1)).toThrow("auditship_nonsense_total");
    expect(() => metrics.add("auditship_bytes_total", 1)).toThrow("labels");
    expect(() => metrics.set("auditship_bytes_total", 1, "a")).toThrow("gauge");
  });

  it("come with the process's own", async () => {
    const text = await new Metrics().text();
    expect(text).toContain("process_cpu_seconds_total");
    expect(text).toContain("nodejs_eventloop_lag_seconds");
    expect(text).toMatch(/auditship_info\{version="\d+\.\d+\.\d+.*",node_version="v\d+/);
  });

  it("are valid exposition format: every sample under its HELP and TYPE, no series twice", async () => {
    const metrics = new Metrics();
    for (const [name, { type, labels }] of Object.entries<MetricDefinition>(METRICS)) {
      const values = labels.map((label) => `a ${label}`);
      if (type === "counter") metrics.add(name, 1, ...values);
      else if (type === "gauge") metrics.set(name, 1, ...values);
      else metrics.observe(name, 1, ...values);
    }
    const seen = new Set<string>();
    let family = "";
    for (const line of (await metrics.text()).split("\n").filter(Boolean)) {
      const head = /^# (HELP|TYPE) ([a-z][a-z0-9_]*) (.+)$/.exec(line);
      if (head) family = head[2];
      else {
        const sample =
          /^([a-z][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (?:[-+]?[\d.e+-]+|[Nn]a[Nn]|[+-]Inf)$/.exec(
            line,
          );
        expect(sample, line).not.toBeNull();
        expect(sample?.[1].startsWith(family), `${line} under ${family}`).toBe(true);
        expect(seen.has(line.slice(0, line.lastIndexOf(" "))), line).toBe(false);
        seen.add(line.slice(0, line.lastIndexOf(" ")));
      }
    }
    for (const name of Object.keys(METRICS))
      expect(
        [...seen].some((series) => series.startsWith(name)),
        name,
      ).toBe(true);
  });
});

describe("the metric table", () => {
  it.each(Object.entries<MetricDefinition>(METRICS))(
    "follows Prometheus' naming: %s",
    (name, { type, unit, help, labels }) => {
      expect(name).toMatch(/^auditship_[a-z0-9_]+$/);
      expect(name.endsWith("_total")).toBe(type === "counter");
      if (unit) expect(name).toContain(`_${unit}`);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
    },
  );
});
