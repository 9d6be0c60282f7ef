import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Meter } from "../plugin/host.js";
import { VERSION } from "../version.js";
import { METRICS, type MetricDefinition } from "./metrics.js";

/** Longest label value; what a client wrote may be longer. */
const LABEL_LENGTH = 128;

interface Series extends Count {
  readonly labels: readonly string[];
}

/** What a counter has come to. */
export interface Count {
  value: number;
}

/**
 * The metrics of one agent. Counting adds to plain numbers, which prom-client sees only when it is asked for the text: 1 ns
 * instead of 180 (reference/building-blocks.md §5).
 */
export class Metrics implements Meter {
  readonly #registry = new Registry();
  readonly #families = new Map<string, Family>();
  readonly #refreshers: (() => void)[] = [];

  constructor() {
    for (const [name, definition] of Object.entries<MetricDefinition>(METRICS)) {
      this.#families.set(name, new Family(name, definition, this.#registry));
    }
    // A coarser clock than the default's 10 ms: it wakes the process each time.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    this.set("auditship_info", 1, VERSION, process.version);
  }

  add(name: string, value: number, ...labels: string[]): void {
    if (value >= 0 && value < Number.POSITIVE_INFINITY)
      this.#family(name, "counter", labels).series(labels).value += value;
  }

  /** A counter with these labels, for whoever adds to it so often that finding it would cost more than the addition. */
  counter(name: string, ...labels: string[]): Count {
    return this.#family(name, "counter", labels).series(labels);
  }

  set(name: string, value: number, ...labels: string[]): void {
    this.#family(name, "gauge", labels).series(labels).value = value;
  }

  observe(name: string, value: number, ...labels: string[]): void {
    this.#family(name, "histogram", labels).observe(labels, value);
  }

  /** The value of a counter or gauge; 0 if it was never counted. */
  get(name: string, ...labels: string[]): number {
    return this.#families.get(name)?.peek(labels) ?? 0;
  }

  /** Drops every series with this label: a sink that a reload removed is not "parked" for ever. */
  forget(label: string, value: string): void {
    for (const family of this.#families.values()) family.forget(label, value);
  }

  /** Calls `refresh` before each scrape, for gauges that cost something to know (lag). */
  beforeScrape(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  /** Everything in Prometheus' text format. */
  text(): Promise<string> {
    for (const refresh of this.#refreshers) refresh();
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #family(name: string, type: MetricDefinition["type"], labels: readonly string[]): Family {
    const family = this.#families.get(name);
    if (family?.definition.type !== type || family.definition.labels.length !== labels.length) {
      throw new Error(`${name} is no ${type} with ${labels.length} labels; see the table in observe/metrics.ts`);
    }
    return family;
  }
}

/** All series of one metric. */
class Family {
  readonly definition: MetricDefinition;
  readonly #series = new Map<string, Series>();
  readonly #histogram: Histogram | undefined;

  constructor(name: string, definition: MetricDefinition, registry: Registry) {
    this.definition = definition;
    const common = { name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
    const show = (into: Counter | Gauge) => {
      into.reset();
      for (const { labels, value } of this.#series.values()) into.labels(...labels).inc(value);
    };
    if (definition.type === "histogram") {
      this.#histogram = new Histogram({ ...common, buckets: [...(definition.buckets ?? [])] });
    } else if (definition.type === "counter") {
      new Counter({
        ...common,
        collect: function () {
          show(this);
        },
      });
    } else {
      new Gauge({
        ...common,
        collect: function () {
          show(this);
        },
      });
    }
  }

  /** The series with these labels; the one for `other` when there are too many. */
  series(labels: readonly string[]): Series {
    const key = labels.join("\0");
    const known = this.#series.get(key);
    if (known) return known;
    const { maxSeries = Number.POSITIVE_INFINITY } = this.definition;
    if (this.#series.size < maxSeries - 1) return this.#add(key, labels.map(short));
    const other = labels.map(() => "other");
    return this.#series.get(other.join("\0")) ?? this.#add(other.join("\0"), other);
  }

  observe(labels: readonly string[], value: number): void {
    this.#histogram?.labels(...labels).observe(value);
  }

  peek(labels: readonly string[]): number | undefined {
    return this.#series.get(labels.join("\0"))?.value;
  }

  forget(label: string, value: string): void {
    const index = this.definition.labels.indexOf(label);
    if (index < 0) return;
    for (const [key, series] of this.#series) if (series.labels[index] === value) this.#series.delete(key);
  }

  #add(key: string, labels: readonly string[]): Series {
    const series = { labels, value: 0 };
    this.#series.set(key, series);
    return series;
  }
}

const short = (label: string) => (label.length > LABEL_LENGTH ? `${label.slice(0, LABEL_LENGTH - 1)}…` : label);
