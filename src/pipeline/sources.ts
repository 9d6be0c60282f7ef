import type { LoadedConfig, LoadedSource } from "../config/load.js";
import { EventExtractor } from "../event/index.js";
import type { Metrics } from "../observe/meter.js";
import { type Batch, Flag, type Host, type Logger, type Predicate, type Source } from "../plugin/index.js";
import { compileCondition } from "../rules/index.js";
import { placed } from "./placed.js";
import type { SourceState, StateStore } from "./state.js";

/** What all sources get from the agent. */
export interface SourceDeps {
  host(name: string): Host;
  /** A directory that a source has to itself. */
  directory(name: string): string;
  store: StateStore;
  once: boolean;
  maxLine: number;
  log: Logger;
  metrics: Metrics;
  /** Where their configuration stands. */
  place: LoadedConfig["place"];
}

/** A source that is open, and what the host does for it. */
export interface OpenSource {
  readonly name: string;
  readonly source: Source;
  /** What was stored of it. */
  readonly stored: SourceState | undefined;
  /** Marks the events of a batch that it leaves out, and counts them. */
  drop(batch: Batch): void;
}

/** Opens a source where it was. Throws an AuditshipError if that cannot be done. */
export async function openSource(
  { name, plugin, options, common }: LoadedSource,
  { host, directory, store, once, maxLine, log, metrics, place }: SourceDeps,
): Promise<OpenSource> {
  const dropped = await placed({ place }, ["sources", name, "drop"], () =>
    common.drop === undefined ? undefined : compileCondition(common.drop, { envelopeOnly: true }),
  );
  const stored = await store.readSource(name);
  const source = await plugin.open(options, {
    ...host(name),
    restored: stored?.table,
    once,
    maxLine,
    extractor: () => new EventExtractor(),
    stateDirectory: () => directory(name),
  });
  source.onLoss = ({ reason, bytes, atMost, file }) => {
    const unbounded = reason === "unseen" && atMost === undefined;
    metrics.add("auditship_bytes_lost_total", bytes, name, reason);
    if (reason === "unseen") addAtMost(metrics, name, atMost ?? Number.POSITIVE_INFINITY);
    const what = "Audit bytes are gone before they were read";
    log.error(
      { source: name, reason, bytes, atMost, file },
      unbounded ? `${what}; nobody knows how many.` : `${what}.`,
    );
  };
  return {
    name,
    source,
    stored,
    drop(batch) {
      const count = dropped ? dropEvents(batch, dropped) : 0;
      if (count > 0) metrics.add("auditship_dropped_events_total", count, name);
    },
  };
}

function addAtMost(metrics: Metrics, source: string, bytes: number): void {
  metrics.set("auditship_bytes_lost_at_most", metrics.get("auditship_bytes_lost_at_most", source) + bytes, source);
}

/** Marks the events of a batch that a source leaves out; returns how many of them were read for the first time. */
function dropEvents(batch: Batch, drop: Predicate): number {
  let dropped = 0;
  for (let row = 0; row < batch.count; row++) {
    const flags = batch.flags(row);
    if (flags & Flag.invalid || !drop(batch.at(row))) continue;
    batch.setFlags(row, flags | Flag.dropped);
    if ((flags & Flag.again) === 0) dropped++;
  }
  return dropped;
}
