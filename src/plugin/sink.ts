import type { z } from "zod";
import type { Frame } from "./batch.js";
import type { EventView } from "./event.js";
import type { SinkHost, Zod } from "./host.js";
import type { Stop, Verdict } from "./verdict.js";
import type { ByteWriter } from "./writer.js";

/** Events that one sink sends at once; owns its bytes. */
export interface Request {
  /** The items one behind the other, as `encode` wrote them; gzipped if `encoding` says so. */
  readonly body: Uint8Array;
  readonly encoding: "identity" | "gzip";
  readonly count: number;
  /** Ids of the first and last event (`Idempotency-Key`). */
  readonly firstId: string;
  readonly lastId: string;
  /** How often it was tried before. */
  readonly attempt: number;
  /**
   * True if some of it may have been taken before: an earlier try ended without an answer, or it was sent before a restart
   * or before the sink parked. Only a far end that tells repeats by itself needs no second look at such a request.
   */
  readonly unsure: boolean;
  /** One event's id. */
  id(index: number): string;
  /** One item's bytes (inflates a gzipped body: not for the usual way). */
  item(index: number): Uint8Array;
}

/** A sink that sends requests. Everything but these few functions is the host's. */
export interface SendingSink extends Upkeep {
  readonly mode: "send";
  /** True if requests must go one at a time, in order. */
  readonly ordered: boolean;
  /**
   * Most events of a request, whatever is configured: 1 where they are delivered one by one, so that each is acknowledged when it
   * is delivered, and none waits for many others.
   */
  readonly maxEvents?: number;
  /** True if `send` takes a gzipped body; the host then compresses when the configuration says so. */
  readonly gzip: boolean;
  /**
   * Appends one event to a request. Reads `event` only during the call. Where it does not write the event's native document,
   * the host keeps one beside, for a dead letter.
   */
  encode(event: EventView, out: ByteWriter): void;
  /**
   * What {@link encode} writes around the id and the native document of any event of this UTC day (`YYYY.MM.DD`) that is not flagged
   * as deep, if it writes nothing else: the host then writes many of them at once.
   */
  frame?(day: string): Frame | undefined;
  /**
   * Delivers; one verdict for all, or one per item in order. A throw is `retry` (no answer: `unsure`). Once it has settled, nothing may
   * read the request's body any more: its memory is used again. The host's HTTP client sees to that.
   */
  send(request: Request, signal: AbortSignal): Promise<Verdict | Verdict[]>;
  /**
   * Encodes an item once more in a shape that the far end cannot refuse for what is in its bodies. `event` is what a dead
   * letter would keep of it: line, id, time, matches and annotations are as they were, its batch holds nothing else, and
   * it is valid UTF-8. Sinks without it go straight to the dead letter.
   */
  encodeSafe?(event: EventView, reason: string, out: ByteWriter): void;
  /** Resolves if the far end answers; rejects with a readable reason. Leaves nothing behind: `check` only looks. */
  probe(signal: AbortSignal): Promise<void>;
  close?(): void | Promise<void>;
}

/** What an operator can have done at a sink's far end, beside delivery. */
export interface Upkeep {
  /** What `auditship setup` does; returns what it did, one line each. */
  setup?(signal: AbortSignal): Promise<string[]>;
  /** What {@link setup} would send, as text for people (`auditship setup --print`). Asks nobody. */
  preview?(): string;
  /** What `auditship retention` does: deletes what is older than the sink is to keep. Throws if not all could be. */
  expire?(expiry: Expiry, signal: AbortSignal): Promise<void>;
}

/** How old things are deleted. */
export interface Expiry {
  /** True if nothing is deleted, only told. */
  readonly dryRun: boolean;
  /** Tells of one thing that was, or would be, deleted. */
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
   * sink, and it is tried again.
   */
  restore(state: SinkState | undefined): void | Promise<void>;
  /**
   * Takes the events. Must have read all it needs of them before its first await. A throw: nothing of it counts, and it is tried
   * again. So with the verdict `stop`, after which the sink gets nothing more.
   */
  fold(events: Selection): void | Promise<void> | Promise<Stop | undefined>;
  /** The state after the last `fold` that resolved. */
  state(): SinkState;
  /** Called when `state` has something new that no fold has brought about: an alert that ended. */
  onChange?: () => void;
  /** Makes durable what `state()` described when called. */
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
   * True if events may reach it in another order than the log's: `catchUp: newest` can be configured then. A folding sink's
   * state must come to the same.
   */
  readonly anyOrder?: boolean;
  /** The path of the file that a sink with these options has to itself: two sinks of one file are refused. */
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
  /** Makes a sink, which opens nothing yet: a reload may let it go again. Throws AuditshipError if the options are wrong. */
  create(options: z.infer<Options>, host: SinkHost): Sink | Promise<Sink>;
}

/** Gives a sink plugin its types. */
export const defineSink = <Options extends z.ZodObject>(plugin: SinkPlugin<Options>): SinkPlugin<Options> => plugin;
