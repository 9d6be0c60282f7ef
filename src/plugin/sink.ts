import type { z } from "zod";
import type { Frame } from "./batch.js";
import type { EventView } from "./event.js";
import type { SinkHost, Zod } from "./host.js";
import type { Stop, Verdict } from "./verdict.js";
import type { ByteWriter } from "./writer.js";

/** The events that a sink sends at once; owns its bytes. */
export interface Request {
  /** The items one after the other, as `encode` wrote them; gzipped if `encoding` says so. */
  readonly body: Uint8Array;
  readonly encoding: "identity" | "gzip";
  readonly count: number;
  /** Ids of the first and last event (`Idempotency-Key`). */
  readonly firstId: string;
  readonly lastId: string;
  /** How many times it was tried before. */
  readonly attempt: number;
  /**
   * True if some of it may have been accepted before: an earlier try got no answer, or it was sent before a restart or before the
   * sink parked. A far end that does not recognise repeats by itself needs a check for such a request.
   */
  readonly unsure: boolean;
  /** One event's id. */
  id(index: number): string;
  /** One item's bytes. Inflates a gzipped body, so not for the usual case. */
  item(index: number): Uint8Array;
}

/** A sink that sends requests. All but these few functions is up to the host. */
export interface SendingSink extends Upkeep {
  readonly mode: "send";
  /** True if requests must go one at a time, in order. */
  readonly ordered: boolean;
  /**
   * Most events in a request, whatever is configured: 1 if they are delivered one by one, so that each is acknowledged when it is
   * delivered, without waiting for others.
   */
  readonly maxEvents?: number;
  /** True if `send` accepts a gzipped body; the host then compresses if so configured. */
  readonly gzip: boolean;
  /**
   * Appends one event to a request. Reads `event` only during the call. If it does not write the event's native document, the
   * host keeps that as well, for a dead letter.
   */
  encode(event: EventView, out: ByteWriter): void;
  /**
   * What {@link encode} writes around the id and the native document of any event of this UTC day (`YYYY.MM.DD`) that is not
   * flagged as deep, if it writes nothing else: the host then writes many events at once.
   */
  frame?(day: string): Frame | undefined;
  /**
   * Delivers; one verdict for all, or one per item in order. A throw is `retry` (no answer: `unsure`), one of the
   * name `TimeoutError` is `late`. Once it has settled, nothing may
   * read the request's body any more: its memory is used again. The host's HTTP client sees to that.
   */
  send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]>;
  /**
   * Encodes an event in a shape that the far end cannot reject for what is in its bodies. `event` is what a dead letter would keep:
   * line, id, time, matches and annotations are as they were, its batch holds nothing else, and it is valid UTF-8. Without this
   * function, a rejected event becomes a dead letter at once.
   */
  encodeSafe?(event: EventView, reason: string, out: ByteWriter): void;
  /** Resolves if the far end answers; rejects with a readable reason. Leaves nothing behind: `check` only looks. */
  probe(signal: AbortSignal): Promise<void>;
  close?(): void | Promise<void>;
}

/** What an operator can have done at a sink's far end, apart from delivery. */
export interface Upkeep {
  /** What `auditship setup` does; returns what it did, one line each. */
  setup?(signal: AbortSignal): Promise<string[]>;
  /** What {@link setup} would send, as text for people (`auditship setup --print`). Contacts nobody. */
  preview?(): string;
  /** What `auditship retention` does: deletes what is older than the sink's retention. Throws if not everything could be deleted. */
  expire?(expiry: Expiry, signal: AbortSignal): Promise<void>;
}

/** How to delete what is too old. */
export interface Expiry {
  /** True to only print what would be deleted. */
  readonly dryRun: boolean;
  /** Prints one thing that was, or would be, deleted. */
  print(line: string): void;
}

/** The events of a batch that a sink selected. */
export interface Selection extends Iterable<EventView> {
  readonly count: number;
}

/** JSON that a sink keeps with its cursor. */
export type SinkState = { [key: string]: unknown };

/**
 * A sink with state of its own (files, alerts). The events are acknowledged when `fold` resolves; the cursor and `state()`,
 * taken at the same moment, are written to disk together after `flush`.
 */
export interface FoldingSink extends Upkeep {
  readonly mode: "fold";
  /**
   * Called before the first `fold` and again before a catch-up, with the state of the cursor it starts from. A throw parks the
   * sink, and is retried.
   */
  restore(state: SinkState | undefined): void | Promise<void>;
  /**
   * Takes the events. Must have read all it needs of them before its first await. If it throws, nothing of it counts, and it is
   * retried. Nor does anything count with the verdict `stop`, after which the sink gets nothing more.
   */
  fold(events: Selection): void | Promise<void> | Promise<Stop | undefined>;
  /** The state after the last `fold` that resolved. */
  state(): SinkState;
  /** To be called when `state` has changed without a fold: an alert has ended. Set by the host. */
  onChange?: () => void;
  /** Makes durable what `state()` described when this was called. */
  flush(): Promise<void>;
  probe(signal: AbortSignal): Promise<void>;
  close?(): void | Promise<void>;
}

export type Sink = SendingSink | FoldingSink;

export interface SinkPlugin<Options extends z.ZodObject = z.ZodObject> {
  readonly kind: "sink";
  readonly name: string;
  /** The schema of its own options, strict; the host adds `type`, `select`, `request`, `retry`, … (config/schema.ts). */
  options(zod: Zod): Options;
  /**
   * True if events may arrive in another order than that of the log: then `catchUp: newest` can be configured. The state of a
   * folding sink must not depend on the order.
   */
  readonly anyOrder?: boolean;
  /** The path of the file that a sink with these options has to itself: two sinks with the same file are rejected. */
  ownFile?(options: z.infer<Options>): string;
  /** Defaults of the host's options for this type. */
  readonly defaults?: {
    select?: "all" | "archived" | "alerting";
    /** Milliseconds. */
    maxWait?: number;
    concurrency?: number;
    compression?: "gzip" | "none";
    catchUp?: "oldest" | "newest";
  };
  /** Creates a sink, which opens nothing yet: a reload may discard it. Throws AuditshipError if the options are wrong. */
  create(options: z.infer<Options>, host: SinkHost): Sink | Promise<Sink>;
}

/** Gives a sink plugin its types. */
export const defineSink = <Options extends z.ZodObject>(plugin: SinkPlugin<Options>): SinkPlugin<Options> => plugin;
